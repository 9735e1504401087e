//! Models and their registry: what does not fit is refused by name and what scores stays, a version never
//! changes, clients choose their own, and a rollback gives back what was there before.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::features::{INPUTS, Input};
use dean::pipeline::{Options, RunReport};
use dean::scoring::{self, Active, Models, Origin, SHIPPED, shipped_columns};
use dean::store::{SqliteStore, Store};
use dean_scoring::{schema_of, sha256_of};
use dean_sim::Params;
use dean_tests::account::{TestAccount, models};
use jiff::Timestamp;
use serde_json::{Value, json};

fn shipped(name: &str) -> (Vec<u8>, Value) {
    let (_, file, manifest) = SHIPPED.iter().find(|(shipped, ..)| *shipped == name).unwrap();
    (file.to_vec(), serde_json::from_slice(manifest).unwrap())
}

/// A shipped model as another version, with something changed in its manifest.
fn changed(name: &str, version: &str, change: impl Fn(&mut Value)) -> (Vec<u8>, Vec<u8>) {
    let (file, mut manifest) = shipped(name);
    manifest["version"] = json!(version);
    change(&mut manifest);
    (file, serde_json::to_vec(&manifest).unwrap())
}

fn said(file: &[u8], manifest: &[u8]) -> String {
    Active::load(file, manifest, Origin::Imported).unwrap_err().to_string()
}

type Change = fn(&mut Value);

const AT: Timestamp = Timestamp::UNIX_EPOCH;

#[test]
fn every_shipped_model_fits_and_every_input_is_measured() {
    assert_eq!(models().left_out(), []);
    assert_eq!(models().active().len(), SHIPPED.len());
    for input in INPUTS {
        assert!(Input::parse(input).is_ok(), "{input}");
    }
    let bytes: usize = SHIPPED.iter().map(|(_, file, _)| file.len()).sum();
    assert!(bytes < 3_000_000, "{bytes}");
    for column in ["score.purchase", "score.fatigue", "score.similarity", "score.trend", "score.performance_cpa.low"] {
        assert!(shipped_columns().contains(column), "{column}");
    }
}

#[test]
fn shipped_models_are_labelled_and_as_good_as_they_say() {
    for active in models().active() {
        let manifest = active.model.manifest();
        assert!(manifest.training.simulated, "{} says where it comes from", manifest.model);
        for output in manifest.outputs.iter().filter(|output| output.score != "purchase_cpa") {
            let accuracy = manifest.accuracy(&output.score).unwrap();
            assert!(
                accuracy.base < accuracy.reached && accuracy.reached < accuracy.best_possible.unwrap(),
                "{}",
                output.score
            );
        }
        for name in ["purchase", "fatigue"].iter().filter(|name| **name == manifest.model) {
            assert!(manifest.figures[*name]["skill"].as_f64().unwrap() >= 0.8, "{name}");
        }
        for (score, figures) in manifest.figures.iter().filter(|_| manifest.model == "performance") {
            let cover = figures["coverage_80"].as_f64().unwrap();
            assert!((0.76..=0.86).contains(&cover), "{score}: {cover}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let edit = |change: Change| changed("purchase", "2", change);
    let cases: [(Change, &str); 12] = [
        (|m| m["format"] = json!(2), "the manifest has format 2; this program reads 1"),
        (|m| drop(m.as_object_mut().unwrap().remove("golden")), "missing field `golden`"),
        (|m| m["surprise"] = json!(1), "unknown field `surprise`"),
        (|m| m["sha256"] = json!("00"), "the manifest is of another file: it names sha256 00"),
        (|m| m["features"][3]["name"] = json!("ctr_7d"), "the features are not those that the model was trained on"),
        (|m| m["golden"]["sums"][2][0] = json!(9.0), "golden row 2 gets"),
        (|m| m["golden"]["rows"] = json!([]), "golden rows: there are 0"),
        (|m| m["golden"]["tolerance"] = json!(1.0), "a tolerance of 1 holds nothing"),
        (|m| m["outputs"][0]["sum"] = json!(1), "it is made of sum 1; the graph makes 1"),
        (|m| m["outputs"][0]["knots"] = json!([[0.0, 0.5], [0.0, 0.6]]), "its knots have to rise"),
        (|m| m["outputs"][1]["scale"] = json!("target_cpaa"), "did you mean \"target_cpa\"?"),
        (|m| m["model"] = json!("Pur chase"), "is not of small letters"),
    ];
    for (change, expected) in cases {
        let (file, manifest) = edit(change);
        let said = said(&file, &manifest);
        assert!(said.contains(expected), "expected {expected:?}, was told {said:?}");
    }
    let (file, manifest) = edit(|_| {});
    assert!(Active::load(&file, &manifest, Origin::Imported).is_ok());
    assert!(said(&file[..file.len() / 2], &manifest).contains("the manifest is of another file"));
    // A damaged file whose manifest was made to fit.
    let (file, manifest) = changed("purchase", "2", |m| {
        let (file, _) = shipped("purchase");
        m["sha256"] = json!(sha256_of(&file[..file.len() / 2]));
    });
    assert!(said(&file[..file.len() / 2], &manifest).contains("this is no whole ONNX file"));
}

#[test]
fn a_feature_that_nobody_measures_is_named_with_its_place() {
    let (file, manifest) = changed("purchase", "2", |m| {
        m["features"][12]["name"] = json!("ctr_7dd");
        let names: Vec<String> =
            m["features"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap().into()).collect();
        m["schema"] = json!(schema_of(&names));
    });
    let said = said(&file, &manifest);
    assert!(
        said.contains("expects ctr_7dd at 12: there is no column or context \"ctr_7dd\"; did you mean \"ctr_7d\"?"),
        "{said}"
    );
    // Columns in another order are no answer either.
    let (file, manifest) = changed("similarity", "2", |_| {});
    let active = Active::load(&file, &manifest, Origin::Imported).unwrap();
    let names: Vec<String> = active.model.manifest().feature_names().map(String::from).collect();
    let mut columns: Vec<(&str, &[f64])> = names.iter().map(|name| (name.as_str(), [0.5].as_slice())).collect();
    assert!(active.model.score(&columns).is_ok());
    columns.swap(1, 2);
    let said = active.model.score(&columns).unwrap_err().to_string();
    assert_eq!(said, format!("expects {} at 1, got {}", names[1], names[2]));
}

fn scores_by(report: &RunReport, model: &str) -> Option<String> {
    report.models.iter().find(|m| m.model == model).and_then(|m| m.version.clone())
}

#[tokio::test]
async fn versions_are_chosen_for_all_and_for_clients_and_taken_back() {
    let store = SqliteStore::in_memory().unwrap();
    let version = async |client: &str| {
        let models = scoring::models_of(&store, client).await.unwrap();
        assert_eq!(models.left_out(), []);
        let active = models.active().iter().find(|a| a.model.manifest().model == "purchase").unwrap();
        active.model.manifest().version.clone()
    };
    assert_eq!(version("acme").await, "1");
    for name in ["2", "3"] {
        let (file, manifest) = changed("purchase", name, |_| {});
        scoring::import(&store, &file, &manifest, AT).await.unwrap();
        // The same again changes nothing.
        scoring::import(&store, &file, &manifest, AT).await.unwrap();
    }
    assert_eq!(version("acme").await, "1", "an import does not score yet");

    scoring::activate(&store, "", "purchase", "2", AT).await.unwrap();
    scoring::activate(&store, "acme", "purchase", "3", AT).await.unwrap();
    assert_eq!((version("").await, version("acme").await), ("2".into(), "3".into()));
    assert_eq!(scoring::rollback(&store, "acme", "purchase", AT).await.unwrap().as_deref(), Some("2"));
    assert_eq!((version("").await, version("acme").await), ("2".into(), "2".into()));
    scoring::activate(&store, "", "purchase", "1", AT).await.unwrap();
    assert_eq!(version("acme").await, "1", "the shipped one can be chosen again");
    assert_eq!(scoring::rollback(&store, "", "purchase", AT).await.unwrap().as_deref(), Some("2"));
    assert_eq!(scoring::rollback(&store, "", "purchase", AT).await.unwrap().as_deref(), Some("1"));
    let said = scoring::rollback(&store, "", "purchase", AT).await.unwrap_err().to_string();
    assert_eq!(said, "purchase was never switched: purchase@1 scores");
}

#[tokio::test]
async fn what_is_refused_leaves_what_scores() {
    let store = SqliteStore::in_memory().unwrap();
    let (file, manifest) = changed("purchase", "2", |m| m["golden"]["sums"][0][0] = json!(99.0));
    assert!(scoring::import(&store, &file, &manifest, AT).await.is_err());
    assert_eq!(store.models().await.unwrap(), []);

    let (file, manifest) = changed("purchase", "1", |m| m["doc"] = json!("another"));
    let said = scoring::import(&store, &file, &manifest, AT).await.unwrap_err().to_string();
    assert!(said.starts_with("purchase@1 is there already with another file"), "{said}");

    let said = scoring::activate(&store, "", "purchase", "9", AT).await.unwrap_err().to_string();
    assert_eq!(said, "there is no purchase@9\n  hint: purchase@1");

    // A model of another name that tells the same scores cannot stand beside the one that does.
    let (file, manifest) = changed("purchase", "1", |m| m["model"] = json!("mine"));
    scoring::import(&store, &file, &manifest, AT).await.unwrap();
    let said = scoring::activate(&store, "", "mine", "1", AT).await.unwrap_err().to_string();
    assert!(said.contains("another model tells score.purchase already; what scores now stays"), "{said}");
    assert_eq!(store.model_switches().await.unwrap(), []);

    // With scores of its own it can.
    let (file, manifest) = changed("purchase", "2", |m| {
        m["model"] = json!("mine");
        m["outputs"][0]["score"] = json!("mine");
        m["outputs"].as_array_mut().unwrap().truncate(1);
    });
    scoring::import(&store, &file, &manifest, AT).await.unwrap();
    scoring::activate(&store, "acme", "mine", "2", AT).await.unwrap();
    let columns = async |client: &str| scoring::models_of(&store, client).await.unwrap().columns();
    assert!(columns("acme").await.contains("score.mine") && !columns("").await.contains("score.mine"));
}

#[tokio::test]
async fn a_run_goes_on_without_a_model_that_does_not_fit_and_says_so() {
    let mut account = TestAccount::new(7, Params { ads: 12, ..Params::default() }, &[]).await.unwrap();
    let report = account.run(&Options::default()).await.unwrap();
    assert_eq!(report.models.len(), SHIPPED.len());
    assert!(report.models.iter().all(|m| m.problem.is_none() && m.ads > 0), "{:?}", report.models);
    assert_eq!(scores_by(&report, "purchase").as_deref(), Some("1"));

    let mut broken = Models::none();
    let (file, manifest) = changed("purchase", "2", |m| m["golden"]["sums"][0][0] = json!(99.0));
    broken.add("purchase", &file, &manifest, Origin::Imported);
    let (file, manifest) = changed("fatigue", "2", |_| {});
    broken.add("fatigue", &file, &manifest, Origin::Imported);
    account.models = broken;
    account.advance(1);
    let report = account.run(&Options { explain: true, ..Options::default() }).await.unwrap();
    assert!(!report.decisions.is_empty());
    let purchase = report.models.iter().find(|m| m.model == "purchase").unwrap();
    assert!(purchase.problem.as_ref().unwrap().starts_with("golden row 0 gets"), "{purchase:?}");
    let told = report.health.iter().find(|h| h.source == "models").unwrap();
    assert!(told.message.starts_with("model purchase is left out: golden row 0"), "{}", told.message);
    for decision in &report.decisions {
        let columns = decision.columns.as_ref().unwrap();
        assert_eq!(columns["score.purchase"], None, "what nobody scores is not known");
    }
    let fatigue = |d: &dean::pipeline::Decision| d.columns.as_ref().unwrap()["score.fatigue"].is_some();
    assert!(report.decisions.iter().any(fatigue), "the other model goes on");

    account.models = Models::none();
    let report = account.run(&Options { explain: true, ..Options::default() }).await.unwrap();
    assert_eq!(report.models, []);
    let unscored = |d: &dean::pipeline::Decision| {
        shipped_columns().iter().all(|column| d.columns.as_ref().unwrap()[column].is_none())
    };
    assert!(report.decisions.iter().all(unscored));
}
