//! A forest as a file describes it: nodes by position, before anything is trusted.

use std::ops::Range;
use thiserror::Error;

/// How a node compares a feature with its threshold; when it holds, the true branch is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// feature <= threshold
    AtMost,
    /// feature < threshold
    Below,
    /// feature >= threshold
    AtLeast,
    /// feature > threshold
    Above,
    /// feature == threshold
    Equal,
    /// feature != threshold; holds for a missing value
    Unequal,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Compares a feature and goes on.
    Branch {
        /// Which feature: a column of the input.
        feature: i64,
        /// How it is compared.
        mode: Mode,
        /// With what.
        threshold: f64,
        /// Position of the node when the comparison holds.
        yes: usize,
        /// Position of the node when it does not.
        no: usize,
        /// Whether a missing value takes the true branch.
        missing_yes: bool,
    },
    /// Ends a path; adds these weights, positions in [`Forest::weights`].
    Leaf(Range<usize>),
}

/// Trees as a file describes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forest {
    /// All nodes of all trees.
    pub nodes: Vec<Node>,
    /// The first node of each tree, in the order in which trees are added up.
    pub roots: Vec<usize>,
    /// What leaves add: a target and a weight.
    pub weights: Vec<(i64, f64)>,
    /// How many targets (or classes) there are.
    pub targets: usize,
}

impl Forest {
    /// Without the leaves that no branch leads to, which a file may hold beside its trees.
    #[must_use]
    pub(super) fn without_unreached(mut self) -> Self {
        let mut reached = vec![false; self.nodes.len()];
        let mut next = self.roots.clone();
        while let Some(position) = next.pop() {
            if std::mem::replace(&mut reached[position], true) {
                continue;
            }
            if let Node::Branch { yes, no, .. } = self.nodes[position] {
                next.extend([yes, no]);
            }
        }
        let mut moved = Vec::with_capacity(reached.len());
        let mut kept = 0;
        for reached in &reached {
            moved.push(kept);
            kept += usize::from(*reached);
        }
        let mut position = 0;
        self.nodes.retain(|_| {
            position += 1;
            reached[position - 1]
        });
        for node in &mut self.nodes {
            if let Node::Branch { yes, no, .. } = node {
                (*yes, *no) = (moved[*yes], moved[*no]);
            }
        }
        self.roots.iter_mut().for_each(|root| *root = moved[*root]);
        self
    }
}

/// Why an ensemble is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TreeError {
    /// Lists that describe the same things differ in length.
    #[error("{list} has {found} entries, and {expected} are needed")]
    Length {
        /// Which list.
        list: &'static str,
        /// Its length.
        found: usize,
        /// What the others have.
        expected: usize,
    },
    /// A list or value that has to be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value that nothing here understands.
    #[error("{what} is {found}: {hint}")]
    Unsupported {
        /// Which attribute.
        what: &'static str,
        /// Its value.
        found: String,
        /// What to export instead.
        hint: &'static str,
    },
    /// A node points to one that is not there.
    #[error("tree {tree}, node {node} leads to node {to}, which is not there")]
    NoNode {
        /// The tree's id.
        tree: i64,
        /// The node's id.
        node: i64,
        /// Where it leads.
        to: i64,
    },
    /// Two nodes have one id.
    #[error("tree {tree} has node {node} twice")]
    Twice {
        /// The tree's id.
        tree: i64,
        /// The node's id.
        node: i64,
    },
    /// A weight belongs to a node that is no leaf, or to none.
    #[error("a weight belongs to tree {tree}, node {node}, which is no leaf of the ensemble")]
    NoLeaf {
        /// The tree's id.
        tree: i64,
        /// The node's id.
        node: i64,
    },
    /// A tree whose nodes do not hang together from one root: a circle, or a node reached twice.
    #[error("node {node} of {tree} is reached twice or never: its nodes are no tree")]
    NoTree {
        /// Which tree.
        tree: String,
        /// Which node, by position.
        node: usize,
    },
    /// A feature that the input does not have.
    #[error("a node compares feature {feature}; the input has {features}")]
    NoFeature {
        /// The feature's position.
        feature: i64,
        /// How many there are.
        features: usize,
    },
    /// A target that is not declared.
    #[error("a leaf adds to target {target}; there are {targets}")]
    NoTarget {
        /// The target's position.
        target: i64,
        /// How many there are.
        targets: usize,
    },
    /// A threshold or weight that is no number.
    #[error("{0} is not a number")]
    NotANumber(&'static str),
    /// More than the kernel's 32-bit positions hold.
    #[error("{0}: too large for the kernel")]
    TooLarge(&'static str),
}
