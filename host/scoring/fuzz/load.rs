//! Any bytes as an ONNX file: refused, or run over rows with everything that a float can be.

#![no_main]

use dean_scoring::Graph;
use libfuzzer_sys::fuzz_target;

// A panic within tract is answered as an error: only one that gets out is a find.
fuzz_target!(init: drop(std::panic::take_hook()), |file: &[u8]| {
    let Ok(graph) = Graph::load(file) else { return };
    let values = [0.0, 1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1e30, f32::MIN_POSITIVE];
    let rows: Vec<f32> = values.iter().copied().cycle().take(graph.features() * 9).collect();
    if let Ok(scores) = graph.run(&rows) {
        assert!(scores.iter().all(|s| s.values.len() == 9 * s.width), "scores are not whole");
    }
});
