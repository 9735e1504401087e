//! Scores rows with an ONNX file: `score MODEL ROWS OUT`. Rows and scores are raw little-endian floats, row
//! by row; the outputs lie one behind the other, and their names and widths are printed, a line each.

use dean_scoring::Graph;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, rows, out] = arguments.as_slice() else {
        return Err("score MODEL ROWS OUT".into());
    };
    let graph = Graph::load(&std::fs::read(model)?)?;
    let rows = std::fs::read(rows)?;
    let rows: Vec<f32> = rows.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let mut bytes = Vec::new();
    for scores in graph.run(&rows)? {
        println!("{} {}", scores.name, scores.width);
        bytes.extend(scores.values.iter().flat_map(|v| v.to_le_bytes()));
    }
    std::fs::write(out, bytes)?;
    Ok(())
}
