//! The models that lie in the program: trained on simulated worlds, and labelled so.

macro_rules! shipped {
    ($($name:literal),*) => {
        [$((
            $name,
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/", $name, ".onnx")).as_slice(),
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/", $name, ".json")).as_slice(),
        )),*]
    };
}

/// Name, ONNX file and manifest of each.
pub const SHIPPED: [(&str, &[u8], &[u8]); 5] = shipped!("performance", "fatigue", "purchase", "similarity", "trend");
