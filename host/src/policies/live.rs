//! The policies of one client in a running process: an immutable snapshot behind one pointer. A run pins the snapshot
//! that it began with; a swap moves the pointer, and never what a run holds.

use super::prepare::StagePolicy;
use std::sync::{Arc, PoisonError, RwLock};

/// The policies of all stages in their order, as they were prepared at one moment.
pub type Snapshot = Arc<[StagePolicy]>;

/// The pointer to the snapshot that runs begin with.
#[derive(Debug)]
pub struct Live(RwLock<Snapshot>);

impl Live {
    /// A pointer to a first snapshot.
    #[must_use]
    pub fn new(stages: Vec<StagePolicy>) -> Self {
        Live(RwLock::new(stages.into()))
    }

    /// The snapshot that is current now; whoever holds it keeps it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Moves the pointer to what was prepared, and tells which stages another policy decides for.
    pub fn swap(&self, stages: Vec<StagePolicy>) -> Vec<Swapped> {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let swapped = differences(&current, &stages);
        // Also where none does: settings may be others.
        *current = stages.into();
        swapped
    }
}

/// A stage that another policy decides for than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swapped {
    /// The stage.
    pub stage: String,
    /// What decided, and its digest.
    pub from: Option<(String, String)>,
    /// What decides now, and its digest.
    pub to: Option<(String, String)>,
    /// Why the chosen one does not, where another goes on in its place or nobody can.
    pub problem: Option<String>,
}

impl std::fmt::Display for Swapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = |policy: &Option<(String, String)>| match policy {
            Some((name, digest)) => format!("{name} ({})", &digest[..12]),
            None => "nobody".into(),
        };
        write!(
            f,
            "stage {}: {} decides from the next run on, in place of {}",
            self.stage,
            named(&self.to),
            named(&self.from)
        )?;
        self.problem.iter().try_for_each(|problem| write!(f, "; the chosen one cannot: {problem}"))
    }
}

fn differences(was: &[StagePolicy], is: &[StagePolicy]) -> Vec<Swapped> {
    let who = |stage: &StagePolicy| {
        let policy = &stage.ready()?.policy;
        let manifest = policy.manifest();
        Some((manifest.named(), policy.digest().to_string()))
    };
    let problem = |stage: &StagePolicy| {
        stage.broken().map(String::from).or_else(|| stage.ready().and_then(|ready| ready.instead.clone()))
    };
    let mut swapped = Vec::new();
    for stage in is {
        let before = was.iter().find(|before| before.view.name == stage.view.name);
        let (from, to) = (before.and_then(who), who(stage));
        let told = before.and_then(problem);
        let problem = problem(stage);
        if from != to || (problem.is_some() && problem != told) {
            swapped.push(Swapped { stage: stage.view.name.clone(), from, to, problem });
        }
    }
    swapped
}
