//! The kernel: rows in, raw scores out.
//!
//! A step down a tree waits for memory, so eight of them are under way at once: eight rows in one tree,
//! or, where there are fewer rows, one row in eight trees. Rows go in blocks, so that a tree is read from
//! the cache for all but the first of them. Leaves are added in the order of the trees whatever the block:
//! a row's score does not depend on its neighbours, to the last bit. Numbers are compared as whole ones, where
//! a missing value is the first or the last of all: a step has no branch and no case.

use super::layout::{EQUALITY, Ensemble, Packed, Tree};
use super::scalar::Scalar;
use super::transform::Aggregate;

/// Steps that are under way at once.
const LANES: usize = 8;
/// Rows for which a tree stays in the cache.
const BLOCK: usize = 64;
/// Trees deeper than this are seldom so in all branches: whether all lanes are done is looked at after so
/// many steps.
const STRIDE: u32 = 4;

impl<T: Scalar> Ensemble<T> {
    /// Raw scores of rows (row-major, each with [`Ensemble::features`] numbers; NaN is missing), into
    /// `scores` (row-major, each with [`Ensemble::targets`] numbers). `base` holds a number for each target.
    ///
    /// # Panics
    /// When a slice has another length than its rows need.
    pub fn evaluate(&self, rows: &[T], aggregate: Aggregate, base: &[T], scores: &mut [T]) {
        assert_eq!(base.len(), self.targets, "a base for each target");
        let count = scores.len() / self.targets.max(1);
        assert_eq!(scores.len(), count * self.targets, "scores of whole rows");
        assert_eq!(rows.len(), count * self.features, "features of whole rows");
        for row in scores.chunks_exact_mut(self.targets.max(1)) {
            row.iter_mut().zip(base).for_each(|(score, base)| *score = aggregate.first(*base));
        }
        let mut keys = vec![T::Key::default(); count.min(BLOCK) * self.slots.len()];
        for from in (0..count).step_by(BLOCK) {
            let to = (from + BLOCK).min(count);
            let keys = &mut keys[..(to - from) * self.slots.len()];
            self.fill_keys(&rows[from * self.features..to * self.features], keys);
            let scores = &mut scores[from * self.targets..to * self.targets];
            if self.equality {
                self.block::<true>(keys, aggregate, scores);
            } else {
                self.block::<false>(keys, aggregate, scores);
            }
        }
        for row in scores.chunks_exact_mut(self.targets.max(1)) {
            row.iter_mut().zip(base).for_each(|(score, base)| *score = aggregate.last(*score, *base, self.trees.len()));
        }
    }

    /// What the nodes compare, for each row.
    fn fill_keys(&self, rows: &[T], keys: &mut [T::Key]) {
        if self.slots.is_empty() {
            return;
        }
        for (row, keys) in rows.chunks_exact(self.features).zip(keys.chunks_exact_mut(self.slots.len())) {
            for (slot, key) in self.slots.iter().zip(keys) {
                let x = row[slot.feature as usize];
                *key = match (x.is_missing(), slot.missing_left) {
                    (false, _) => x.key(),
                    (true, true) => T::FIRST,
                    (true, false) => T::LAST,
                };
            }
        }
    }

    fn block<const EQ: bool>(&self, keys: &[T::Key], aggregate: Aggregate, scores: &mut [T]) {
        let slots = self.slots.len();
        let row = |r: usize| &keys[r * slots..(r + 1) * slots];
        let count = scores.len() / self.targets.max(1);
        let full = count - count % LANES;
        for tree in &self.trees {
            for from in (0..full).step_by(LANES) {
                let lanes: [&[T::Key]; LANES] = std::array::from_fn(|k| row(from + k));
                let at = walk::<T, EQ>(&self.nodes, [tree.root; LANES], tree.depth, |k| lanes[k]);
                for (k, leaf) in at.into_iter().enumerate() {
                    self.add(tree, leaf, aggregate, &mut scores[(from + k) * self.targets..][..self.targets]);
                }
            }
        }
        for r in full..count {
            let row = row(r);
            let scores = &mut scores[r * self.targets..][..self.targets];
            for trees in self.trees.chunks(LANES) {
                let depth = trees.iter().map(|tree| tree.depth).max().unwrap_or(0);
                // Lanes without a tree walk the first one again.
                let roots = std::array::from_fn(|k| trees.get(k).unwrap_or(&trees[0]).root);
                let at = walk::<T, EQ>(&self.nodes, roots, depth, |_| row);
                for (tree, leaf) in trees.iter().zip(at) {
                    self.add(tree, leaf, aggregate, scores);
                }
            }
        }
    }

    /// Adds what a leaf holds to a row's scores.
    #[inline(always)]
    fn add(&self, tree: &Tree, leaf: u32, aggregate: Aggregate, scores: &mut [T]) {
        if let Some(target) = tree.target {
            let score = &mut scores[target as usize];
            *score = aggregate.with(*score, self.nodes[leaf as usize].value);
        } else {
            let own = self.bounds[leaf as usize] as usize..self.bounds[leaf as usize + 1] as usize;
            for (target, weight) in &self.weights[own] {
                let score = &mut scores[*target as usize];
                *score = aggregate.with(*score, *weight);
            }
        }
    }
}

/// Walks all lanes down to their leaves.
#[inline(always)]
fn walk<'a, T: Scalar, const EQ: bool>(
    nodes: &[Packed<T>],
    mut at: [u32; LANES],
    depth: u32,
    row: impl Fn(usize) -> &'a [T::Key],
) -> [u32; LANES] {
    let mut left = depth;
    while left > 0 {
        let steps = left.min(STRIDE);
        let mut before = at;
        for _ in 0..steps {
            before = at;
            for (k, at) in at.iter_mut().enumerate() {
                *at = step::<T, EQ>(nodes, *at, row(k));
            }
        }
        // A leaf leads to itself.
        if at == before {
            break;
        }
        left -= steps;
    }
    at
}

#[inline(always)]
fn step<T: Scalar, const EQ: bool>(nodes: &[Packed<T>], at: u32, row: &[T::Key]) -> u32 {
    let node = &nodes[at as usize];
    let right = if EQ && node.slot & EQUALITY != 0 {
        let key = row[(node.slot & !EQUALITY) as usize];
        key != node.threshold && key != T::FIRST
    } else {
        row[node.slot as usize] > node.threshold
    };
    node.child + u32::from(right)
}
