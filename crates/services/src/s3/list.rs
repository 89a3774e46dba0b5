//! Listing the objects of a bucket.

use super::files::Spot;
use super::{S3, errors};
use crate::call::{Answer, Call, Refusal, answer, members};
use crate::pages;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;
use stepwright_json::{Json, json};

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) etag: String,
    /// In milliseconds since 1970.
    pub(super) modified: i64,
}

/// What a request asks for.
struct Asked<'c> {
    prefix: &'c str,
    delimiter: &'c str,
    most: usize,
    is_encoded: bool,
}

/// A part of a list: objects, and what several keys begin with.
#[derive(Debug, Default, PartialEq, Eq)]
struct Part {
    entries: Vec<Entry>,
    prefixes: Vec<String>,
    /// The last of both, if there is more.
    last: Option<String>,
}

impl S3 {
    /// The objects of a bucket whose keys begin with a text, in the order of their keys.
    pub(super) async fn entries(&self, bucket: &str, prefix: &str) -> Result<Vec<Entry>, Refusal> {
        let files = self.files()?.clone();
        let (of, start) = (bucket.to_owned(), prefix.to_owned());
        let found = self.blocking(move || files.list(&of, &start)).await?;
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        self.kept
            .with(|index, _| {
                for (key, stamp) in found {
                    let known = index.object(bucket, &key);
                    let known =
                        known.filter(|kept| kept.spot == Spot::Plain && kept.stamp == stamp);
                    let kept = known.cloned().unwrap_or_else(|| super::foreign(Spot::Plain, stamp));
                    let entry = Entry {
                        key: key.clone(),
                        size: stamp.size,
                        etag: kept.etag,
                        modified: kept.modified,
                    };
                    entries.insert(key, entry);
                }
                let known = index.objects.get(bucket).into_iter().flatten();
                let hidden = known
                    .filter(|(key, kept)| kept.spot == Spot::Hidden && key.starts_with(prefix));
                for (key, kept) in hidden {
                    let entry = Entry {
                        key: key.clone(),
                        size: kept.stamp.size,
                        etag: kept.etag.clone(),
                        modified: kept.modified,
                    };
                    entries.insert(key.clone(), entry);
                }
            })
            .await?;
        Ok(entries.into_values().collect())
    }

    pub(super) async fn list_objects_v2(&self, call: &Call<'_>) -> Answer {
        let bucket = self.bucket(call)?;
        let asked = Asked::read(call)?;
        let after = match call.text("ContinuationToken") {
            Some("") => {
                return Err(errors::said(
                    "InvalidArgument",
                    "The continuation token provided is incorrect",
                ));
            }
            Some(token) => pages::read(token).ok_or_else(|| {
                errors::said("InvalidArgument", "The continuation token provided is incorrect")
            })?,
            None => call.text("StartAfter").unwrap_or_default().to_owned(),
        };
        let part = asked.part(self.entries(bucket, asked.prefix).await?, &after);
        let owner = call.flag("FetchOwner").then(|| self.owner());
        answer(members([
            ("IsTruncated", Some(part.last.is_some().into())),
            ("Contents", contents(&part, &asked, owner.as_ref())?),
            ("Name", Some(bucket.into())),
            ("Prefix", Some(asked.text(asked.prefix)?)),
            ("Delimiter", given(asked.delimiter).map(|text| asked.text(text)).transpose()?),
            ("MaxKeys", Some(asked.most.into())),
            ("CommonPrefixes", prefixes(&part, &asked)?),
            ("EncodingType", asked.is_encoded.then(|| "url".into())),
            ("KeyCount", Some((part.entries.len() + part.prefixes.len()).into())),
            ("ContinuationToken", call.text("ContinuationToken").map(Json::from)),
            ("NextContinuationToken", part.last.as_deref().map(|last| pages::write(last).into())),
            ("StartAfter", call.text("StartAfter").map(|text| asked.text(text)).transpose()?),
        ]))
    }

    pub(super) async fn list_objects(&self, call: &Call<'_>) -> Answer {
        let bucket = self.bucket(call)?;
        let asked = Asked::read(call)?;
        let marker = call.text("Marker").unwrap_or_default();
        let part = asked.part(self.entries(bucket, asked.prefix).await?, marker);
        // Without a delimiter, the last key says where to go on.
        let next = part.last.as_deref().filter(|_| !asked.delimiter.is_empty());
        let owner = self.owner();
        answer(members([
            ("IsTruncated", Some(part.last.is_some().into())),
            ("Marker", Some(asked.text(marker)?)),
            ("NextMarker", next.map(|text| asked.text(text)).transpose()?),
            ("Contents", contents(&part, &asked, Some(&owner))?),
            ("Name", Some(bucket.into())),
            ("Prefix", Some(asked.text(asked.prefix)?)),
            ("Delimiter", given(asked.delimiter).map(|text| asked.text(text)).transpose()?),
            ("MaxKeys", Some(asked.most.into())),
            ("CommonPrefixes", prefixes(&part, &asked)?),
            ("EncodingType", asked.is_encoded.then(|| "url".into())),
        ]))
    }
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn contents(part: &Part, asked: &Asked<'_>, owner: Option<&Json>) -> Result<Option<Json>, Refusal> {
    let mut shown = Vec::with_capacity(part.entries.len());
    for entry in &part.entries {
        shown.push(members([
            ("Key", Some(asked.text(&entry.key)?)),
            ("LastModified", Some((entry.modified / 1_000).into())),
            ("ETag", Some(entry.etag.as_str().into())),
            ("Size", Some(Json::Int(entry.size as i64))),
            ("StorageClass", Some("STANDARD".into())),
            ("Owner", owner.cloned()),
        ]));
    }
    Ok((!shown.is_empty()).then(|| shown.into()))
}

fn prefixes(part: &Part, asked: &Asked<'_>) -> Result<Option<Json>, Refusal> {
    let shown = part.prefixes.iter().map(|prefix| {
        let text = asked.text(prefix)?;
        Ok(json!({"Prefix": text}))
    });
    let shown = shown.collect::<Result<Vec<Json>, Refusal>>()?;
    Ok((!shown.is_empty()).then(|| shown.into()))
}

/// What is escaped where a list is asked for with `encoding-type=url`.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'*');

impl<'c> Asked<'c> {
    fn read(call: &'c Call<'_>) -> Result<Self, Refusal> {
        let most = call.int("MaxKeys").unwrap_or(1_000);
        if most < 0 {
            return Err(errors::said(
                "InvalidArgument",
                "Argument maxKeys must be an integer between 0 and 2147483647",
            ));
        }
        let encoding = call.text("EncodingType");
        if encoding.is_some_and(|encoding| encoding != "url") {
            return Err(errors::said(
                "InvalidArgument",
                "Invalid Encoding Method specified in Request",
            ));
        }
        Ok(Self {
            prefix: call.text("Prefix").unwrap_or_default(),
            delimiter: call.text("Delimiter").unwrap_or_default(),
            most: (most as usize).min(1_000),
            is_encoded: encoding.is_some(),
        })
    }

    /// A text as the answer has it.
    fn text(&self, text: &str) -> Result<Json, Refusal> {
        if self.is_encoded {
            return Ok(utf8_percent_encode(text, ESCAPED).to_string().into());
        }
        let is_allowed = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
        if text.chars().all(is_allowed) {
            return Ok(text.into());
        }
        Err(errors::said(
            "InvalidArgument",
            "The list has keys that XML cannot hold: ask for it with encoding-type=url",
        ))
    }

    /// The part of a list that comes after a key, or after what several keys begin with.
    fn part(&self, entries: Vec<Entry>, after: &str) -> Part {
        let mut part = Part::default();
        let mut last = String::new();
        for entry in entries {
            let rest = entry.key.strip_prefix(self.prefix).unwrap_or_default();
            let common = match self.delimiter {
                "" => None,
                delimiter => rest
                    .find(delimiter)
                    .map(|at| entry.key[..self.prefix.len() + at + delimiter.len()].to_owned()),
            };
            let name = common.as_deref().unwrap_or(&entry.key);
            if name <= after || (common.is_some() && after.starts_with(name)) && !after.is_empty() {
                continue;
            }
            if part.prefixes.last().is_some_and(|prefix| prefix == name) && common.is_some() {
                continue;
            }
            if part.entries.len() + part.prefixes.len() == self.most {
                // Without room for anything, there is nothing to go on from.
                part.last = (self.most > 0).then_some(last);
                return part;
            }
            name.clone_into(&mut last);
            match common {
                Some(common) => part.prefixes.push(common),
                None => part.entries.push(entry),
            }
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(keys: &[&str]) -> Vec<Entry> {
        let entry = |key: &&str| Entry {
            key: (*key).to_owned(),
            size: 0,
            etag: String::new(),
            modified: 0,
        };
        keys.iter().map(entry).collect()
    }

    fn all(keys: &[&str], prefix: &str, delimiter: &str, most: usize) -> Vec<String> {
        let asked = Asked { prefix, delimiter, most, is_encoded: false };
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let list =
                entries(keys).into_iter().filter(|one| one.key.starts_with(prefix)).collect();
            let part = asked.part(list, &after);
            let mut names: Vec<String> = part.entries.into_iter().map(|entry| entry.key).collect();
            names.extend(part.prefixes);
            names.sort();
            found.extend(names);
            match part.last {
                Some(last) => after = last,
                None => return found,
            }
        }
    }

    #[test]
    fn pages_hold_each_name_once() {
        let keys = ["a", "b/1", "b/2", "b/c/3", "b0", "d/", "d/4"];
        for most in 1..=8 {
            assert_eq!(all(&keys, "", "/", most), ["a", "b/", "b0", "d/"], "{most}");
            assert_eq!(all(&keys, "", "", most), keys, "{most}");
            assert_eq!(all(&keys, "b/", "/", most), ["b/1", "b/2", "b/c/"], "{most}");
            assert_eq!(all(&keys, "d/", "/", most), ["d/", "d/4"], "{most}");
            assert_eq!(all(&keys, "b", "0", most), ["b/1", "b/2", "b/c/3", "b0"], "{most}");
        }
    }
}
