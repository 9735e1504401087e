//! The shipped components are what their sources say.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean_policy::types::Cohort;
use dean_policy::{Artifact, Fault, Limits, Runtime, build, shipped};
use std::path::{Path, PathBuf};

fn plugin(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(name)
}

#[test]
fn prebuilt_components_are_of_the_present_sources() {
    for shipped in shipped::SHIPPED {
        let hash = build::source_hash(&plugin(shipped.name)).unwrap();
        let (name, file) = (shipped.name, format!("plugins/prebuilt/{}.wasm", shipped.name));
        assert_eq!(
            hash, shipped.sources,
            "{file} was built from other sources: dean policy build plugins/{name} --out {file} --sources"
        );
    }
}

#[test]
fn a_component_built_here_decides_as_the_prebuilt_one() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let target = target.as_path();
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    for shipped in shipped::of_stages() {
        let Some(built) = build_here(&plugin(shipped.name), target) else { return };
        let (built, prebuilt) = (runtime.load(&built).unwrap(), runtime.load(&shipped.artifact()).unwrap());
        assert_eq!(built.manifest(), prebuilt.manifest());
        let plan = prebuilt.prepare(shipped.name, &[]).unwrap();
        assert_eq!(built.prepare(shipped.name, &[]).unwrap(), plan);
        let mut cohort = varied(plan.columns.len(), plan.context.len());
        let first = built.decide(shipped.name, &[], &plan, &mut cohort).answer.unwrap();
        let second = prebuilt.decide(shipped.name, &[], &plan, &mut cohort).answer.unwrap();
        assert!(!first.ads.is_empty(), "the cohort makes it decide something");
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }
}

#[test]
fn a_rust_policy_that_panics_tells_file_and_line() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/panicking");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("panicking");
    let Some(artifact) = build_here(&folder, &target) else { return };
    let policy = Runtime::new(Limits::default(), None).unwrap().load(&artifact).unwrap();
    let plan = policy.prepare("testing", &[]).unwrap();
    let mut cohort = Cohort { rows: 3, groups: 1, group_of: vec![0; 3], ..Cohort::default() };
    let fault = policy.decide("testing", &[], &plan, &mut cohort).answer.unwrap_err();
    let Fault::Panic(Some(said)) = &fault else { panic!("{fault}") };
    assert!(said.contains("panicking/src/lib.rs:"), "{said}");
    assert!(said.contains("3 rows cannot be divided by 0"), "{said}");
}

/// A component built by this machine's compiler; without one nothing, unless everything is required.
fn build_here(folder: &Path, target: &Path) -> Option<Artifact> {
    match build::build(folder, target) {
        Ok(built) => Some(Artifact::new("built here", built.component)),
        Err(build::BuildError::NoCompiler(tried)) if std::env::var_os("DEAN_REQUIRE_ALL").is_none() => {
            eprintln!("skipped: no compiler for guests\n{tried}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Ads whose numbers reach from a hundredth to ten thousand, some not known: so many that every
/// policy finds some to decide on.
fn varied(columns: usize, context: usize) -> Cohort {
    const ROWS: usize = 4_000;
    let value = |i: usize| {
        // Mixed, so that no two columns go together.
        let mixed = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        match (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 54 {
            0..100 => f64::NAN,
            n => 10f64.powf(6.0 * n as f64 / 1_024.0 - 2.0),
        }
    };
    Cohort {
        rows: ROWS as u32,
        groups: 1,
        trace: true,
        values: (0..ROWS * columns).map(value).collect(),
        words: vec!["ACTIVE".into()],
        codes: vec![0; ROWS],
        context: vec![1.0; context],
        group_of: vec![0; ROWS],
        ..Cohort::default()
    }
}
