//! Meta's Marketing API: what is asked, how answers are read, and what an error means. HTTP stays in
//! [`http`]; everything else works on any [`Transport`], such as a simulated account in process.

mod client;
mod entities;
mod errors;
pub mod http;
mod insights;
mod media;
mod number;
mod pace;
mod recordings;
mod reports;
mod vitals;
mod writes;

pub use client::{ApiUsage, Client, Credentials};
pub use entities::{Edge, Observed, Present};
pub use errors::{ApiError, Class, Error};
pub use http::{Call, FilePart, HttpTransport, Method, Reply, Transport, TransportError};
pub use insights::{DayRows, Span};
pub use media::Video;
pub use recordings::{PlayingTransport, RecordingError, RecordingHead, RecordingTransport};
pub use writes::{Write, WriteAnswer};
