//! The shipped components are what their sources say.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean_policy::types::Cohort;
use dean_policy::{Artifact, Limits, Runtime, build, shipped};
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
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    for shipped in shipped::SHIPPED {
        let built = match build::build(&plugin(shipped.name), &target) {
            Ok((bytes, _)) => Artifact::new("built here", bytes),
            Err(build::BuildError::NoCompiler(tried)) if std::env::var_os("DEAN_REQUIRE_ALL").is_none() => {
                eprintln!("skipped: no compiler for guests\n{tried}");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let (built, prebuilt) = (runtime.load(&built).unwrap(), runtime.load(&shipped.artifact()).unwrap());
        assert_eq!(built.manifest(), prebuilt.manifest());
        let plan = prebuilt.prepare(shipped.name, &[]).unwrap();
        assert_eq!(built.prepare(shipped.name, &[]).unwrap(), plan);
        let mut cohort = varied(plan.columns.len(), plan.context.len());
        let first = built.decide(shipped.name, &[], &plan, &mut cohort).unwrap();
        let second = prebuilt.decide(shipped.name, &[], &plan, &mut cohort).unwrap();
        assert!(!first.answer.ads.is_empty(), "the cohort makes it decide something");
        let (first, second) = (format!("{:?}", first.answer), format!("{:?}", second.answer));
        assert_eq!(first, second);
    }
}

/// Five hundred ads whose numbers reach from nothing to much, some not known.
fn varied(columns: usize, context: usize) -> Cohort {
    const ROWS: usize = 500;
    let value = |i: usize| match i * 7919 % 1009 {
        0..100 => f64::NAN,
        n => (n as f64 / 1009.0).powi(3) * 600.0,
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
