//! Randomness by address: every draw is a pure function of the seed and of what it is for, so two
//! runs of one world that differ in what a policy did still roll the same dice for what it did not
//! touch. SplitMix64 (Steele, Lea, Flood 2014) is the mixer; own code so that a world never changes
//! with a library's version.

/// A stream of draws for one purpose.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// The stream at an address: seed, purpose, and whatever numbers tell this draw from others.
    pub(crate) fn at(seed: u64, purpose: &str, address: &[u64]) -> Self {
        let mut state = mix(seed.wrapping_add(GOLDEN));
        for byte in purpose.bytes() {
            state = mix(state.wrapping_add(GOLDEN) ^ u64::from(byte));
        }
        for &part in address {
            state = mix(state.wrapping_add(GOLDEN) ^ part);
        }
        Random(state)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// Uniform in (0, 1): never 0, so its logarithm is finite.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Whether something of a probability happens.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Standard normal, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Log-normal with a median and a sigma of the logarithm.
    pub(crate) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Exponential with a mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.uniform().ln()
    }

    /// Poisson: by multiplication for small means (Knuth), by a rounded normal from 50 on, where the
    /// difference is far below what an hour of an ad's noise shows.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        if mean <= 0.0 {
            return 0;
        }
        if mean > 50.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let limit = (-mean).exp();
        let mut product = self.uniform();
        let mut count = 0;
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    /// Binomial: by trials when few, by Poisson when rare, by a rounded normal when many.
    pub(crate) fn binomial(&mut self, trials: u64, probability: f64) -> u64 {
        let p = probability.clamp(0.0, 1.0);
        if trials <= 32 {
            return (0..trials).filter(|_| self.chance(p)).count() as u64;
        }
        let mean = trials as f64 * p;
        if p < 0.1 {
            return self.poisson(mean).min(trials);
        }
        let drawn = mean + (mean * (1.0 - p)).sqrt() * self.normal();
        (drawn.round().max(0.0) as u64).min(trials)
    }
}
