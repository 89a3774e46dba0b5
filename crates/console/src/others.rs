//! Activities, functions, and the queues and buckets of the local services.

use crate::fields::link;
use crate::page::{Answer, Page, when};
use crate::text::{Foreign, visible};
use crate::{Ask, Visit};
use maud::{Markup, html};
use stepwright_json::{Json, json};

pub(crate) async fn activities(visit: &dyn Visit, ask: &Ask) -> Answer {
    let mut activities = visit.engine().catalogue().activities();
    activities.retain(|activity| visit.owns(&activity.arn));
    let main = html! {
        h1 { "Activities" }
        @if activities.is_empty() { p class="none" { "None yet. " code { "CreateActivity" } " makes one; its workers poll with " code { "GetActivityTask" } "." } } @else {
            div class="scrolled" tabindex="0" role="region" aria-label="Table of activities" { table data-list {
                thead { tr { th { "Name" } th { "Created (UTC)" } th { "ARN" } } }
                tbody { @for activity in &activities { tr {
                    td { (Foreign(&activity.name)) } td class="dim" { (when(activity.created_at)) } td { code { (visible(&activity.arn)) } }
                } } }
            } }
        }
    };
    answer("Activities", "/console/activities", main, visit, ask)
}

pub(crate) async fn functions(visit: &dyn Visit, ask: &Ask) -> Answer {
    let listed = visit.functions().list();
    let functions = listed.get("Functions").and_then(Json::as_array).cloned().unwrap_or_default();
    let text = |function: &Json, key: &str| {
        function.get(key).and_then(Json::as_str).unwrap_or_default().to_owned()
    };
    let printed =
        if visit.may("stepwright:ReadLogs", "*") { visit.printed(None).await } else { Vec::new() };
    let main = html! {
        h1 { "Functions" }
        @if functions.is_empty() { p class="none" { "None are configured. " code { "[functions.NAME]" } " in " code { "stepwright.toml" } " adds one." } } @else {
            div class="scrolled" tabindex="0" role="region" aria-label="Table of functions" { table data-list {
                thead { tr { th { "Name" } th class="n" { "Time limit" } th { "ARN" } } }
                tbody { @for function in functions.iter() { tr {
                    td { (Foreign(&text(function, "FunctionName"))) }
                    td class="n" { (function.get("Timeout").and_then(Json::as_i64).unwrap_or_default()) " s" }
                    td { code { (visible(&text(function, "FunctionArn"))) } }
                } } }
            } }
        }
        @if !printed.is_empty() { section class="section" {
            h2 { "What they have printed lately" }
            pre class="block logs" tabindex="0" aria-label="What functions have printed" {
                @for line in printed.iter().rev().take(400).rev() {
                    span class="dim" { (stepwright_program::time::format(line.at_millis)) " " (visible(&line.function)) " " } (visible(line.text.trim_end())) "\n"
                }
            }
        } }
    };
    answer("Functions", "/console/functions", main, visit, ask)
}

pub(crate) async fn services(visit: &dyn Visit, ask: &Ask) -> Answer {
    let bucket = ask.query.get("bucket");
    let queues = queues(visit).await;
    let buckets = visit.service("s3", "ListBuckets", json!({})).await;
    let objects = match bucket {
        Some(bucket) => {
            let input =
                json!({"Bucket": (bucket), "MaxKeys": 200, "Prefix": (ask.query.text("prefix"))});
            Some(visit.service("s3", "ListObjectsV2", input).await)
        }
        None => None,
    };
    let main = html! {
        h1 { "Local services" }
        p class="dim" { "What the services of this machine hold. It can be looked at here; to change it, use a client of AWS." }
        div class="pair" {
            section class="section" aria-labelledby="queues" {
                h2 id="queues" { "Queues" }
                @match &queues {
                    Err(why) => p class="none" { (visible(why)) },
                    Ok(queues) if queues.is_empty() => p class="none" { "None." },
                    Ok(queues) => div class="scrolled" tabindex="0" role="region" aria-label="Table of queues" { table data-list {
                        thead { tr { th { "Name" } th class="n" { "Waiting" } th class="n" { "In flight" } th class="n" { "Delayed" } } }
                        tbody { @for queue in queues { tr {
                            td { (Foreign(&queue.name)) } @for count in &queue.counts { td class="n" { (visible(count)) } }
                        } } }
                    } },
                }
            }
            section class="section" aria-labelledby="buckets" {
                h2 id="buckets" { "Buckets" }
                @match &buckets {
                    Err(why) => p class="none" { (visible(why)) },
                    Ok(answer) => (bucket_table(answer)),
                }
            }
        }
        @if let (Some(bucket), Some(objects)) = (bucket, &objects) { section class="section" aria-labelledby="objects" {
            h2 id="objects" { "Objects of " (Foreign(bucket)) }
            form class="filters" action="/console/services" {
                input type="hidden" name="bucket" value=(bucket);
                label { "Prefix" input name="prefix" value=(ask.query.text("prefix")) spellcheck="false"; }
                button type="submit" { "Show" }
            }
            @match objects { Err(why) => p class="none" { (visible(why)) }, Ok(answer) => (object_table(answer)) }
        } }
    };
    answer("Local services", "/console/services", main, visit, ask)
}

struct Queue {
    name: String,
    counts: Vec<String>,
}

/// How many queues are shown.
const MOST_QUEUES: usize = 200;

async fn queues(visit: &dyn Visit) -> Result<Vec<Queue>, String> {
    let listed = visit.service("sqs", "ListQueues", json!({})).await?;
    let urls = listed.get("QueueUrls").and_then(Json::as_array).cloned().unwrap_or_default();
    let names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ];
    let mut queues = Vec::new();
    for url in urls.iter().filter_map(Json::as_str).take(MOST_QUEUES) {
        let input = json!({"QueueUrl": (url), "AttributeNames": ["All"]});
        let attributes = visit.service("sqs", "GetQueueAttributes", input).await;
        let attributes = attributes.unwrap_or_default();
        let count = |name: &&str| {
            let value = attributes.get("Attributes").and_then(|of| of.get(name));
            value.and_then(Json::as_str).unwrap_or("–").to_owned()
        };
        let name = url.rsplit('/').next().unwrap_or(url).to_owned();
        queues.push(Queue { name, counts: names.iter().map(count).collect() });
    }
    Ok(queues)
}

fn bucket_table(answer: &Json) -> Markup {
    let buckets = answer.get("Buckets").and_then(Json::as_array).cloned().unwrap_or_default();
    html! {
        @if buckets.is_empty() { p class="none" { "None." } } @else {
            div class="scrolled" tabindex="0" role="region" aria-label="Table of buckets" { table data-list {
                thead { tr { th { "Name" } th { "Created" } } }
                tbody { @for bucket in buckets.iter() {
                    @let name = bucket.get("Name").and_then(Json::as_str).unwrap_or_default();
                    tr {
                        td { a href=(link("/console/services", &[("bucket", name)])) { (Foreign(name)) } }
                        td class="dim" { (visible(bucket.get("CreationDate").and_then(Json::as_str).unwrap_or_default())) }
                    }
                } }
            } }
        }
    }
}

fn object_table(answer: &Json) -> Markup {
    let objects = answer.get("Contents").and_then(Json::as_array).cloned().unwrap_or_default();
    let is_cut = answer.get("IsTruncated").and_then(Json::as_bool).unwrap_or_default();
    html! {
        @if objects.is_empty() { p class="none" { "None." } } @else {
            div class="scrolled" tabindex="0" role="region" aria-label="Table of objects" { table data-list {
                thead { tr { th { "Key" } th class="n" { "Bytes" } th { "Written" } } }
                tbody { @for object in objects.iter() { tr {
                    td { (Foreign(object.get("Key").and_then(Json::as_str).unwrap_or_default())) }
                    td class="n" { (object.get("Size").and_then(Json::as_i64).unwrap_or_default()) }
                    td class="dim" { (visible(object.get("LastModified").and_then(Json::as_str).unwrap_or_default())) }
                } } }
            } }
            @if is_cut { p class="dim" { "There are more; a longer prefix shows them." } }
        }
    }
}

fn answer(
    title: &str,
    belongs_to: &'static str,
    main: Markup,
    visit: &dyn Visit,
    ask: &Ask,
) -> Answer {
    let title = title.to_owned();
    Page { title, belongs_to, live: None, main, visit, looks: ask.looks }.answer()
}
