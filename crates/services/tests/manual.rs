//! The manual's table of operations is made from the code.

use std::path::Path;
use std::sync::Arc;
use stepwright_aws::table;
use stepwright_engine::SystemClock;
use stepwright_services::{NAMES, Services, Setup, catalogue};
use stepwright_store::Memory;

const BEGIN: &str = "<!-- operations -->\n";
const END: &str = "<!-- end of operations -->";

fn services() -> Services {
    Services::new(&Setup {
        store: Arc::new(Memory::new()),
        clock: Arc::new(SystemClock),
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        buckets: None,
        jobs: None,
        substitutes: stepwright_services::Substitutes::default(),
        key: None,
        url: Arc::default(),
        seat: stepwright_services::Seat::default(),
    })
}

/// `BLESS=1` writes the table.
#[test]
fn the_manual_lists_what_there_is() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/local-services.md");
    let text = std::fs::read_to_string(&page).expect("the page is there");
    let (before, rest) = text.split_once(BEGIN).expect("it says where the table begins");
    let (_, after) = rest.split_once(END).expect("it says where the table ends");
    let expected = format!("{before}{BEGIN}\n{}{END}{after}", catalogue(&services()));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&page, expected).expect("the page can be written");
    } else {
        assert!(
            text == expected,
            "the table is not the code's: BLESS=1 cargo test -p stepwright-services"
        );
    }
}

/// Every operation and parameter is one of AWS's; what AWS demands is taken.
#[test]
fn what_there_is_is_in_the_model() {
    let services = services();
    let mut count = 0;
    for name in NAMES {
        let service = table::service(name).expect("the table has it");
        for supported in services.operations(name) {
            let operation = service.operation(supported.operation);
            let operation = operation.unwrap_or_else(|| panic!("{name}: {}", supported.operation));
            let input = service.structure(operation.input.as_ref());
            for parameter in supported.parameters {
                let is_known = input.is_some_and(|input| input.member(parameter).is_some());
                assert!(is_known, "{name}:{} has no {parameter}", supported.operation);
            }
            let members = input.into_iter().flat_map(|input| &input.members);
            for member in members {
                let is_body = input
                    .and_then(|input| input.payload())
                    .is_some_and(|payload| payload.name == member.name);
                let is_taken = supported.parameters.contains(&member.name.as_str());
                let is_required = service.traits(&member.reference).is_required;
                assert!(is_taken || !is_required || is_body, "{name}: {}", member.name);
            }
            count += 1;
        }
    }
    assert!(count > 120, "{count}");
}
