//! Who is let into the assembled server, and who is not: over the wire, on every route.

mod listening;
mod rights;
mod support;
mod walk;
