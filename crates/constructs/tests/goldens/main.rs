//! What the real CDK synthesises of the same examples, read from `../shared/goldens` if it is there.

mod clusters;
mod compare;
mod services;
mod states;

use compare::{Golden, check_all};

#[test]
fn cdk() {
    let mut goldens: Vec<Golden> = Vec::new();
    goldens.extend(states::goldens());
    goldens.extend(services::goldens());
    goldens.extend(clusters::goldens());
    check_all("cdk", goldens);
}
