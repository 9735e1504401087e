//! Scores through our kernel against onnxruntime through its C API, one thread each, in one run:
//! `python tests/parity/bench_models.py FOLDER`, then
//! `DEAN_MODELS=FOLDER ORT_DYLIB_PATH=.../libonnxruntime.so cargo bench -p dean-scoring`.

use dean_scoring::Graph;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;
use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const FEATURES: usize = 60;
/// Rows of a call, and whether each call has other rows than the one before.
const BATCHES: [(usize, bool); 5] = [(1, false), (1, true), (100, true), (1_000, true), (10_000, true)];
/// Each side is timed in turns, so that what else the machine does meets both.
const TURNS: usize = 9;
const TURN: Duration = Duration::from_millis(150);

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` runs this too; there are no models then.
    let (Some(folder), true) = (std::env::var_os("DEAN_MODELS"), std::env::var_os("ORT_DYLIB_PATH").is_some()) else {
        eprintln!("DEAN_MODELS and ORT_DYLIB_PATH are not set: nothing is measured");
        return Ok(());
    };
    let environment = ort::init().build()?;
    let folder = Path::new(&folder);
    let bytes = std::fs::read(folder.join("rows"))?;
    let rows: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    println!("model           rows   dean us/row   onnxruntime us/row   times");
    for name in ["200x6", "500x8"] {
        let file = std::fs::read(folder.join(format!("{name}.onnx")))?;
        let graph = Graph::load(&file)?;
        let mut session = Session::builder(&environment)?
            .with_optimization_level(GraphOptimizationLevel::Level3)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .commit_from_memory(&file)?;
        for (batch, fresh) in BATCHES {
            // A row that is scored again and again has its branches foretold, which no ad has.
            let mut ours = Batches { rows: &rows, batch, fresh, next: 0 };
            let mut theirs = Batches { ..ours };
            let mut ours = || {
                black_box(graph.run(ours.take())?);
                Ok(())
            };
            let mut theirs = || {
                let input = TensorRef::from_array_view(([batch, FEATURES], theirs.take()))?;
                black_box(session.run(ort::inputs![input])?);
                Ok(())
            };
            let (mut dean, mut other) = (Vec::new(), Vec::new());
            for _ in 0..TURNS {
                dean.push(turn(&mut ours)?);
                other.push(turn(&mut theirs)?);
            }
            let (dean, other) = (median(dean) / batch as f64, median(other) / batch as f64);
            let rows = if fresh { "" } else { "same" };
            println!("{name:8} {rows:4} {batch:6} {dean:13.2} {other:20.2} {:7.1}", other / dean);
        }
        let loads: Result<Vec<f64>, Box<dyn Error>> = (0..TURNS)
            .map(|_| {
                let start = Instant::now();
                black_box(Graph::load(&file)?);
                Ok(start.elapsed().as_secs_f64() * 1e3)
            })
            .collect();
        println!("{name:8}  loads in {:.1} ms ({} kB)", median(loads?), file.len() / 1_000);
    }
    Ok(())
}

/// The rows of one call after another, round and round.
struct Batches<'a> {
    rows: &'a [f32],
    batch: usize,
    fresh: bool,
    next: usize,
}

impl<'a> Batches<'a> {
    fn take(&mut self) -> &'a [f32] {
        let wide = self.batch * FEATURES;
        let at = self.next;
        if self.fresh {
            self.next = (at + 1) % (self.rows.len() / wide);
        }
        &self.rows[at * wide..(at + 1) * wide]
    }
}

/// Microseconds a call, over one turn.
fn turn(call: &mut impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    call()?;
    let (start, mut calls) = (Instant::now(), 0);
    while start.elapsed() < TURN {
        call()?;
        calls += 1;
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(calls))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
