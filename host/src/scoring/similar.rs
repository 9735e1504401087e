//! Neighbours: which other creatives of the account an ad is most like, and how those do.

/// One neighbour of an ad.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Its place among all ads.
    pub ad: usize,
    /// The cosine between the two points, 1 for the same.
    pub similarity: f32,
}

/// The nearest ads of each, nearest first: by the cosine of their points, which have length one. An ad is no
/// neighbour of one that shows the same creative, of itself the least; points that are not known have none. Of those
/// that are equally near the one of the lesser `rank` comes first, so that the order of ads decides nothing.
pub(super) fn neighbours(
    points: &[f32],
    width: usize,
    creatives: &[&str],
    rank: &[f64],
    most: usize,
) -> Vec<Vec<Neighbour>> {
    let point = |ad: usize| &points[ad * width..(ad + 1) * width];
    let known: Vec<usize> = (0..creatives.len()).filter(|ad| point(*ad).iter().all(|x| x.is_finite())).collect();
    // One column for each number of a point, so that an ad meets all others in loops over neighbouring numbers.
    let columns: Vec<Vec<f32>> = (0..width).map(|number| known.iter().map(|ad| point(*ad)[number]).collect()).collect();
    let mut similarities = vec![0f32; known.len()];
    let mut all = vec![Vec::new(); creatives.len()];
    for &ad in &known {
        similarities.fill(0.0);
        for (own, column) in point(ad).iter().zip(&columns) {
            similarities.iter_mut().zip(column).for_each(|(sum, other)| *sum += own * other);
        }
        let mut near: Vec<Neighbour> = Vec::with_capacity(most + 1);
        let mut least = f32::NEG_INFINITY;
        for (&other, &similarity) in known.iter().zip(&similarities) {
            if similarity < least || creatives[other] == creatives[ad] {
                continue;
            }
            let comes_first = |known: &Neighbour| {
                let nearer = known.similarity.total_cmp(&similarity);
                nearer.then_with(|| rank[other].total_cmp(&rank[known.ad])).is_ge()
            };
            let at = near.partition_point(comes_first);
            if at < most {
                near.insert(at, Neighbour { ad: other, similarity });
                near.truncate(most);
            }
            if near.len() == most {
                least = near.last().map_or(least, |last| last.similarity);
            }
        }
        all[ad] = near;
    }
    all
}
