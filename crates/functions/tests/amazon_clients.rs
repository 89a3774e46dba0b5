//! Amazon's own runtime clients for Python and Node.js, used unchanged.

mod common;

use common::{Fixture, has_program, invocation, json, member, skipped};
use std::path::Path;
use std::process::Command;
use stepwright_functions::Invocation;
use stepwright_json::Json;

/// The folder in which packages are kept between runs.
const PACKAGES: &str = env!("CARGO_TARGET_TMPDIR");

#[tokio::test]
async fn awslambdaric_works_unchanged() {
    if !has_program("python3") {
        return;
    }
    let packages = Path::new(PACKAGES).join("awslambdaric");
    if !packages.join("awslambdaric").is_dir() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--target"]);
        let installed = pip.arg(&packages).arg("awslambdaric").output();
        if !installed.is_ok_and(|output| output.status.success()) {
            skipped("the package awslambdaric cannot be installed");
            return;
        }
    }
    // The package is installed next to the code, as in a deployment package.
    let fixture = Fixture::new(
        "[f]\nruntime = 'python3.x'\nhandler = 'app.handler'\ncode = 'src'\ntimeout = 10",
        &[(
            "src/app.py",
            "import sys\n\
             class Empty(Exception):\n    pass\n\
             def handler(event, context):\n    \
                 print('printed')\n    \
                 if event == 'raise':\n        raise Empty('nothing left')\n    \
                 return [event, context.aws_request_id, 'awslambdaric' in sys.modules]\n",
        )],
    );
    for entry in std::fs::read_dir(&packages).expect("a folder").flatten() {
        let link = fixture.folder.path().join("src").join(entry.file_name());
        std::os::unix::fs::symlink(entry.path(), link).expect("a link");
    }
    check(&fixture, "Empty").await;
}

#[tokio::test]
async fn aws_lambda_ric_works_unchanged() {
    if !has_program("node") {
        return;
    }
    let packages = Path::new(PACKAGES).join("aws-lambda-ric");
    let modules = packages.join("node_modules");
    if !modules.join("aws-lambda-ric/build/Release").is_dir() {
        // Installing it compiles curl, which takes minutes, so a test does not do it.
        let folder = packages.display();
        skipped(&format!("run `npm install --prefix {folder} aws-lambda-ric` for this test"));
        return;
    }
    let fixture = Fixture::new(
        "[f]\nruntime = 'nodejs20.x'\nhandler = 'index.handler'\ncode = 'src'\ntimeout = 10",
        &[(
            "src/index.js",
            "exports.handler = async (event, context) => {\n\
             console.log('printed');\n\
             if (event === 'raise') { const e = new Error('nothing left'); e.name = 'Empty'; throw e; }\n\
             return [event, context.awsRequestId, process.argv[1].includes('aws-lambda-ric')];\n\
             };\n",
        )],
    );
    let link = fixture.folder.path().join("src/node_modules");
    std::os::unix::fs::symlink(&modules, link).expect("a link");
    check(&fixture, "Empty").await;
}

async fn check(fixture: &Fixture, error_type: &str) {
    for payload in [r#"{"a":1}"#, r#""é""#] {
        let reply = fixture.invoke(Invocation { log_tail: true, ..invocation("f", payload) }).await;
        assert_eq!(reply.function_error, None, "{}", common::text(&reply));
        let wanted = format!(r#"[{payload},"{}",true]"#, reply.request_id);
        assert_eq!(json(&reply).to_string(), wanted);
    }
    assert!(fixture.lines().iter().any(|line| line.contains("printed")), "{:?}", fixture.lines());
    let failure = fixture.failure("f", r#""raise""#).await;
    assert_eq!(member(&failure, "errorType"), error_type);
    assert_eq!(member(&failure, "errorMessage"), "nothing left");
    assert!(
        failure
            .get("stackTrace")
            .or(failure.get("trace"))
            .is_some_and(|trace| trace.as_array().is_some())
    );
    assert_eq!(fixture.value("f", "2").await.as_array().expect("a list")[0], Json::Int(2));
    fixture.functions.shutdown().await;
}
