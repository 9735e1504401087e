//! From a forest to the layout that the kernel walks: nodes of one size, children side by side,
//! leaves that lead to themselves. Everything that the kernel relies on is checked here.

use super::forest::{Forest, Mode, Node, TreeError};
use super::scalar::Scalar;
use std::collections::HashMap;

/// The comparison is equality; the other bits of a node's slot say where its feature lies.
pub(super) const EQUALITY: u32 = 1 << 31;
/// More classes than any model of ads tells apart.
const MOST_TARGETS: usize = 4_096;

/// One node: 16 bytes in `f32`. The left child is taken when the feature's key is at most the threshold; the
/// right one lies behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed<T: Scalar> {
    /// What the feature's key is compared with; the last of all in a leaf.
    pub threshold: T::Key,
    /// What a leaf of a tree with one target adds.
    pub value: T,
    /// Position in [`Ensemble::slots`], and a flag.
    pub slot: u32,
    /// Position of the left child; a leaf's own.
    pub child: u32,
}

/// A feature as nodes look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    /// A column of the input.
    pub feature: u32,
    /// Whether a missing value is the smallest of all, and goes left; else it is the largest.
    pub missing_left: bool,
}

/// One tree of the layout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tree {
    /// Its first node, the root.
    pub root: u32,
    /// Steps from the root to the deepest leaf.
    pub depth: u32,
    /// The one target that every leaf adds to exactly once; `None` for leaves of another shape.
    pub target: Option<u32>,
}

/// A checked ensemble: every position in it is within bounds and every path ends in a leaf.
#[derive(Clone, Debug)]
pub struct Ensemble<T: Scalar> {
    pub(super) nodes: Vec<Packed<T>>,
    /// What the nodes compare: a row is turned into a key for each before the first tree.
    pub(super) slots: Vec<Slot>,
    pub(super) trees: Vec<Tree>,
    /// For each node where its leaf's weights begin: as long as the nodes plus one, or empty when
    /// every tree has one target.
    pub(super) bounds: Vec<u32>,
    pub(super) weights: Vec<(u32, T)>,
    pub(super) features: usize,
    pub(super) targets: usize,
    /// Whether any node compares for equality.
    pub(super) equality: bool,
}

impl<T: Scalar> Ensemble<T> {
    /// Checks a forest over so many features and lays it out.
    ///
    /// # Errors
    /// When nodes are no trees, or name a feature, target, node or weight that is not there.
    pub fn new(forest: &Forest, features: usize) -> Result<Self, TreeError> {
        if forest.nodes.len() >= u32::MAX as usize || forest.weights.len() >= u32::MAX as usize {
            return Err(TreeError::TooLarge("the number of nodes"));
        }
        if forest.targets == 0 {
            return Err(TreeError::Missing("a target to add to"));
        }
        // A row's answer is as wide as this, whatever its trees are.
        if forest.targets > MOST_TARGETS {
            return Err(TreeError::TooLarge("the number of targets"));
        }
        if features >= (EQUALITY / 2) as usize {
            return Err(TreeError::TooLarge("the number of features"));
        }
        for (target, weight) in &forest.weights {
            if usize::try_from(*target).map_or(true, |t| t >= forest.targets) {
                return Err(TreeError::NoTarget { target: *target, targets: forest.targets });
            }
            if weight.is_nan() {
                return Err(TreeError::NotANumber("a leaf's weight"));
            }
        }
        let mut ensemble = Ensemble {
            nodes: Vec::with_capacity(forest.nodes.len()),
            trees: Vec::with_capacity(forest.roots.len()),
            slots: Vec::new(),
            bounds: Vec::new(),
            weights: Vec::new(),
            features,
            targets: forest.targets,
            equality: false,
        };
        if forest.nodes.iter().any(|node| matches!(node, Node::Leaf(w) if forest.weights.get(w.clone()).is_none())) {
            return Err(TreeError::Missing("a leaf's weight"));
        }
        let mut reached = vec![false; forest.nodes.len()];
        let mut leaves = Vec::with_capacity(forest.nodes.len());
        let mut places = HashMap::new();
        for (number, root) in forest.roots.iter().enumerate() {
            ensemble.add_tree(forest, number, *root, &mut reached, &mut leaves, &mut places)?;
        }
        if let Some(node) = reached.iter().position(|r| !r) {
            return Err(TreeError::NoTree { tree: "the ensemble".into(), node });
        }
        if ensemble.trees.iter().any(|tree| tree.target.is_none()) {
            ensemble.fill_bounds(forest, &leaves);
        }
        Ok(ensemble)
    }

    /// How many features a row has.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// How many numbers an answer has.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// Lays one tree out, level by level: the nodes near the root, which every row visits, lie together.
    fn add_tree(
        &mut self,
        forest: &Forest,
        number: usize,
        root: usize,
        reached: &mut [bool],
        leaves: &mut Vec<usize>,
        places: &mut HashMap<Slot, u32>,
    ) -> Result<(), TreeError> {
        let start = self.nodes.len();
        let mut level = vec![root];
        let mut depth = 0;
        let mut target = None;
        let mut uniform = true;
        let mut placed = start as u32 + 1;
        loop {
            let mut next = Vec::with_capacity(level.len() * 2);
            for position in level {
                let lost = || TreeError::NoTree { tree: format!("tree {number}"), node: position };
                if std::mem::replace(reached.get_mut(position).ok_or_else(lost)?, true) {
                    return Err(lost());
                }
                leaves.push(position);
                match &forest.nodes[position] {
                    Node::Leaf(weights) => {
                        let own = self.nodes.len() as u32;
                        let weights = &forest.weights[weights.clone()];
                        let (of, value) = weights.first().map_or((0, 0.0), |(of, value)| (*of as u32, *value));
                        uniform &= weights.len() == 1 && target.is_none_or(|t| t == of);
                        target = Some(of);
                        self.nodes.push(Packed { threshold: T::LAST, value: T::of(value), slot: 0, child: own });
                    }
                    Node::Branch { feature, mode, threshold, yes, no, missing_yes } => {
                        let known = usize::try_from(*feature).is_ok_and(|f| f < self.features);
                        if !known {
                            return Err(TreeError::NoFeature { feature: *feature, features: self.features });
                        }
                        if threshold.is_nan() {
                            return Err(TreeError::NotANumber("a node's threshold"));
                        }
                        let branch = Branch::of(*mode, T::of(*threshold), *missing_yes);
                        let (left, right) = if branch.swapped { (*no, *yes) } else { (*yes, *no) };
                        self.equality |= branch.equality;
                        let slot = Slot { feature: *feature as u32, missing_left: branch.missing_left };
                        let slot = *places.entry(slot).or_insert_with(|| {
                            self.slots.push(slot);
                            self.slots.len() as u32 - 1
                        });
                        self.nodes.push(Packed {
                            threshold: branch.threshold,
                            value: T::default(),
                            slot: if branch.equality { slot | EQUALITY } else { slot },
                            child: placed,
                        });
                        placed += 2;
                        next.extend([left, right]);
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            level = next;
            depth += 1;
        }
        let tree = Tree { root: start as u32, depth, target: uniform.then_some(target).flatten() };
        self.trees.push(tree);
        Ok(())
    }

    fn fill_bounds(&mut self, forest: &Forest, leaves: &[usize]) {
        for position in leaves {
            self.bounds.push(self.weights.len() as u32);
            if let Node::Leaf(weights) = &forest.nodes[*position] {
                let weights = forest.weights[weights.clone()].iter();
                self.weights.extend(weights.map(|(target, value)| (*target as u32, T::of(*value))));
            }
        }
        self.bounds.push(self.weights.len() as u32);
    }
}

/// A comparison as the kernel makes it: at most, or equal.
struct Branch<T: Scalar> {
    threshold: T::Key,
    equality: bool,
    missing_left: bool,
    /// Whether the true branch lies on the right.
    swapped: bool,
}

impl<T: Scalar> Branch<T> {
    /// Below is at most the key before; at least and above are their opposites. A missing value holds no
    /// comparison but "unequal", and goes where the file says beyond that.
    fn of(mode: Mode, threshold: T, missing_yes: bool) -> Self {
        let (threshold, equality, swapped) = match mode {
            Mode::AtMost => (threshold.key(), false, false),
            Mode::Below => (threshold.key_below(), false, false),
            Mode::AtLeast => (threshold.key_below(), false, true),
            Mode::Above => (threshold.key(), false, true),
            Mode::Equal => (threshold.key(), true, false),
            Mode::Unequal => (threshold.key(), true, true),
        };
        let missing_yes = missing_yes || mode == Mode::Unequal;
        Branch { threshold, equality, missing_left: missing_yes != swapped, swapped }
    }
}
