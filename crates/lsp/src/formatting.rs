//! Formats as `stepwright fmt` does. What `fmt` leaves alone stays as it is.

use crate::analysis::Analysis;
use crate::values::range_between;
use stepwright_json::{Json, json};

pub(crate) fn formatting(analysis: &Analysis) -> Json {
    let text = analysis.text.as_str();
    let file = analysis.path.display().to_string();
    let printed = match stepwright_asl::print(text, &file) {
        Ok(printed) if printed != text => printed,
        _ => return Json::Array(Vec::new().into()),
    };
    // Only what differs is replaced, so that cursors and marks stay.
    let before = text.bytes().zip(printed.bytes()).take_while(|(a, b)| a == b).count();
    let before = text.floor_char_boundary(before).min(printed.floor_char_boundary(before));
    let rest = text[before..].bytes().rev().zip(printed[before..].bytes().rev());
    let mut after = rest.take_while(|(a, b)| a == b).count();
    while !text.is_char_boundary(text.len() - after) {
        after -= 1;
    }
    let start = analysis.text.position(before);
    let end = analysis.text.position(text.len() - after);
    // A line break of two characters is not cut in half.
    if text[..before].ends_with('\r') || text[..text.len() - after].ends_with('\r') {
        let whole = range_between(crate::Position::default(), analysis.text.end());
        return json!([{"range": whole, "newText": printed}]);
    }
    let new = &printed[before..printed.len() - after];
    json!([{"range": (range_between(start, end)), "newText": new}])
}
