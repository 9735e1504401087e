//! The policies of all stages of one client, loaded and asked whether they accept its settings: checked whole before a
//! run begins.

use super::choose::{Choice, Chosen, choose};
use super::settings::{self, Meant, check_plan};
use super::shelf::{Offer, Shelf};
use super::trial::Trial;
use crate::config::{ConfigError, Effective, StageView};
use dean_policy::types::{Plan, Setting};
use dean_policy::{Policy, PrepareError, Registry};
use std::collections::BTreeSet;
use std::path::Path;

/// A stage with its policy, ready to decide.
#[derive(Clone, Debug)]
pub struct StagePolicy {
    /// The stage.
    pub view: StageView,
    /// Who decides.
    pub decider: Decider,
    /// Who is tried beside it.
    pub trial: Option<Trial>,
}

/// Who decides for a stage.
#[derive(Clone, Debug)]
pub enum Decider {
    /// Nobody: its ads are only observed.
    Nobody,
    /// A policy that accepted its settings.
    Ready(Box<Ready>),
    /// A policy that cannot be asked, and why: its ads are held, and the other stages go on.
    Broken(String),
}

impl StagePolicy {
    /// What stands for the ads of no stage.
    pub(crate) fn nowhere() -> Self {
        StagePolicy { view: StageView::nowhere(), decider: Decider::Nobody, trial: None }
    }

    /// The policy, if there is one that can be asked.
    #[must_use]
    pub fn ready(&self) -> Option<&Ready> {
        match &self.decider {
            Decider::Ready(ready) => Some(ready),
            Decider::Nobody | Decider::Broken(_) => None,
        }
    }

    /// The policy that is tried beside it, if there is one that can be asked.
    #[must_use]
    pub fn tried(&self) -> Option<&Ready> {
        self.trial.as_ref()?.ready.as_deref().ok()
    }

    /// What keeps the policy from being asked.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        match &self.decider {
            Decider::Broken(reason) => Some(reason),
            Decider::Nobody | Decider::Ready(_) => None,
        }
    }
}

/// A policy with settings that it accepted.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The policy.
    pub policy: Policy,
    /// The settings that it is asked with.
    pub settings: Vec<Setting>,
    /// What it needs under them.
    pub plan: Plan,
    /// The cost per purchase aimed at, if a threshold of the stage says one.
    pub target_cpa: Option<f64>,
    /// Who chose it.
    pub chosen: Chosen,
    /// The signatures that came with it.
    pub signatures: Vec<String>,
    /// Keys of the stage that were written for another policy and are read by nobody now, with their places.
    pub unread: Vec<String>,
    /// Why the chosen policy cannot be used, where this is the last one that could.
    pub instead: Option<String>,
}

/// Loads the policy of every stage and has it check the client's settings.
///
/// # Errors
/// Every wrong setting with file, line and nearest known name. A policy that is not there, does not load, differs from
/// its pin, is not signed where that is asked, does not decide for the stage, fails, or asks for a column that does not
/// exist gives way to the one that decided last; where there is none it takes nothing but its own stage out:
/// [`Decider::Broken`].
pub fn prepare(
    effective: &Effective,
    registry: &Registry,
    shelf: &Shelf,
    folder: &Path,
    scores: &BTreeSet<String>,
) -> Result<Vec<StagePolicy>, ConfigError> {
    prepare_some(effective, registry, shelf, folder, scores, &|_| true)
}

/// The same for some stages only; what stages share is checked as far as they read it.
pub(super) fn prepare_some(
    effective: &Effective,
    registry: &Registry,
    shelf: &Shelf,
    folder: &Path,
    scores: &BTreeSet<String>,
    some: &dyn Fn(&StageView) -> bool,
) -> Result<Vec<StagePolicy>, ConfigError> {
    let preparing = Preparing { effective, registry, scores };
    let mut stages = Vec::new();
    let mut errors = Vec::new();
    for view in effective.config.stages().into_iter().filter(some) {
        let trial = preparing.trial(&view, shelf);
        let Some(choice) = choose(effective, folder, &view, shelf) else {
            stages.push(StagePolicy { view, decider: Decider::Nobody, trial });
            continue;
        };
        let decider = match preparing.of_choice(&view, &choice, shelf) {
            Ok(ready) => Decider::Ready(Box::new(ready)),
            Err(Refused::Settings(wrong)) => {
                errors.extend(wrong);
                continue;
            }
            Err(Refused::Policy(reason)) => {
                let reason = match &choice.chosen {
                    Chosen::Configuration { origin } => format!("{origin}: {reason}"),
                    _ => reason,
                };
                match preparing.last(&view, shelf) {
                    Some(ready) => Decider::Ready(Box::new(Ready { instead: Some(reason), ..ready })),
                    None => Decider::Broken(reason),
                }
            }
        };
        stages.push(StagePolicy { view, decider, trial });
    }
    errors.extend(settings::unread_by_all(effective, &stages));
    match ConfigError::from_many(errors) {
        Some(error) => Err(error),
        None => Ok(stages),
    }
}

/// Why a policy does not decide for a stage.
enum Refused {
    /// It does not accept what it is set to.
    Settings(Vec<ConfigError>),
    /// It cannot be used, whatever it is set to.
    Policy(String),
}

struct Preparing<'a> {
    effective: &'a Effective,
    registry: &'a Registry,
    scores: &'a BTreeSet<String>,
}

impl Preparing<'_> {
    fn of_choice(&self, view: &StageView, choice: &Choice, shelf: &Shelf) -> Result<Ready, Refused> {
        let offer = choice.offer.as_ref().map_err(|reason| Refused::Policy(reason.clone()))?;
        offer.check_pin(choice.pin).map_err(Refused::Policy)?;
        self.of_offer(view, offer, choice.chosen.clone(), shelf)
    }

    /// The policy that decided last, where it still can.
    fn last(&self, view: &StageView, shelf: &Shelf) -> Option<Ready> {
        let last = shelf.uses.iter().find(|last| last.stage == view.name)?;
        let offer = shelf.of_digest(&last.digest).ok()?;
        let chosen = Chosen::Last { since: last.used_at };
        self.of_offer(view, &offer, chosen, shelf).ok()
    }

    /// The policy that is on trial: what is wrong with it keeps nothing else from going on.
    fn trial(&self, view: &StageView, shelf: &Shelf) -> Option<Trial> {
        let row = shelf.trial(&self.effective.client, &view.name)?.clone();
        let chosen = Chosen::Trial { since: row.began_at };
        let offer = shelf.of_digest(&row.digest).map_err(Refused::Policy);
        let ready = offer.and_then(|offer| self.of_offer(view, &offer, chosen, shelf)).map(Box::new);
        let ready = ready.map_err(|refused| match refused {
            Refused::Policy(reason) => reason,
            Refused::Settings(wrong) => {
                ConfigError::from_many(wrong).map_or_else(String::new, |error| error.to_string())
            }
        });
        Some(Trial { row, ready })
    }

    fn of_offer(&self, view: &StageView, offer: &Offer, chosen: Chosen, shelf: &Shelf) -> Result<Ready, Refused> {
        let stated = offer.check_signature(self.effective).map_err(Refused::Policy)?;
        let policy = self.registry.load(&offer.artifact).map_err(|error| Refused::Policy(error.to_string()))?;
        if let Some(statement) = stated {
            offer.check_statement(&statement, &policy, shelf).map_err(Refused::Policy)?;
        }
        let manifest = policy.manifest();
        let name = &manifest.name;
        if let Chosen::Watched { file, policy } = &chosen
            && policy != name
        {
            return Err(Refused::Policy(format!(
                "{file} stands in for policy {policy}, but says that it is {name}\n  hint: name the file {name}.wasm"
            )));
        }
        if !manifest.decides_for(&view.name) {
            let decides_for = manifest.stages.join(", ");
            return Err(Refused::Policy(format!(
                "policy {name} does not decide for stage {}\n  hint: it decides for {decides_for}",
                view.name
            )));
        }
        // The shipped ones answered theirs when this program was built.
        if !offer.shipped {
            self.registry.examine(&policy).map_err(|error| Refused::Policy(error.to_string()))?;
        }
        let tried = matches!(chosen, Chosen::Trial { .. });
        let meant = Meant { effective: self.effective, stage: &view.name, policy: name, tried };
        let read = settings::of_stage(&meant, &manifest.params);
        if !read.errors.is_empty() {
            return Err(Refused::Settings(read.errors));
        }
        let settings = policy.settings(&read.settings);
        let plan = match policy.prepare(&view.name, &settings) {
            Ok(plan) => plan,
            Err(PrepareError::Settings(problems)) => {
                let located = |problem| settings::located(&self.effective.tree, &view.name, problem);
                return Err(Refused::Settings(problems.into_iter().map(located).collect()));
            }
            Err(PrepareError::Fault(fault)) => {
                return Err(Refused::Policy(format!("policy {name} failed when it read its settings: {fault}")));
            }
        };
        if let Err(error) = check_plan(name, &plan, self.scores) {
            // Where a client's own text asks for it, that text is wrong, and not the policy.
            return Err(match error.in_text(&read.settings) {
                Some(problem) => Refused::Settings(vec![settings::located(&self.effective.tree, &view.name, problem)]),
                None => Refused::Policy(error.to_string()),
            });
        }
        let target_cpa = settings::target_cpa(&view.name, &manifest.params, &settings);
        let signatures = offer.signatures.clone();
        Ok(Ready { policy, settings, plan, target_cpa, chosen, signatures, unread: read.unread, instead: None })
    }
}
