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
    let mut all = vec![Vec::new(); creatives.len()];
    for &ad in &known {
        let own = point(ad);
        let mut near: Vec<Neighbour> = Vec::with_capacity(most + 1);
        for &other in known.iter().filter(|other| creatives[**other] != creatives[ad]) {
            let similarity = own.iter().zip(point(other)).map(|(a, b)| a * b).sum::<f32>();
            let comes_first = |known: &Neighbour| {
                let nearer = known.similarity.total_cmp(&similarity);
                nearer.then_with(|| rank[other].total_cmp(&rank[known.ad])).is_ge()
            };
            let at = near.partition_point(comes_first);
            if at < most {
                near.insert(at, Neighbour { ad: other, similarity });
                near.truncate(most);
            }
        }
        all[ad] = near;
    }
    all
}
