//! `stepwright test`: runs test files.

mod files;
mod watch;

use crate::args::{Output, Test};
use crate::report::{self, Failure};
use files::Loaded;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use stepwright_asl::Complaint;
use stepwright_history::TaskCall;
use stepwright_json::{Json, Object};
use stepwright_simulator::duration;
use stepwright_terminal::width;
use stepwright_testkit::{CaseResult, Covered, FileResult, Functions};

/// `stepwright test`: exit code 1 if a test fails, 2 if a file cannot be used.
pub(crate) fn test(arguments: &Test) -> Result<ExitCode, Failure> {
    if arguments.watch {
        return watch::watch(arguments);
    }
    run_with(arguments, &mut |_| {}).map(|ran| ran.code)
}

/// The results of a run of the tests, and the files that it read.
pub(crate) struct Ran {
    pub(crate) code: ExitCode,
    pub(crate) read: Vec<PathBuf>,
}

/// Runs the tests. Before they run, `before` is told which files were read for them.
fn run_with(arguments: &Test, before: &mut dyn FnMut(&[PathBuf])) -> Result<Ran, Failure> {
    let started = Instant::now();
    let paths = files::find(&arguments.files)?;
    let mut read = paths.clone();
    let (mut suite, mut bad) = (Vec::new(), Vec::new());
    for path in &paths {
        match files::load(path) {
            Ok(loaded) => suite.push(loaded),
            Err(unusable) => bad.push(unusable),
        }
    }
    read.extend(suite.iter().flat_map(|loaded| loaded.read.clone()));
    read.extend(bad.iter().flat_map(|unusable| unusable.read.clone()));
    before(&read);
    let chosen = choose(&suite, arguments.filter.as_deref());
    if chosen.is_empty() && bad.is_empty() {
        let filter = arguments.filter.as_deref().unwrap_or_default();
        return Err(Failure::new(format!("no test has `{filter}` in its name or file")));
    }
    let results = run_all(&suite, &chosen, arguments);
    let mut files = collect(&suite, &chosen, results, arguments.filter.is_none());
    if arguments.bless {
        bless(&suite, &mut files)?;
    }
    for loaded in &suite {
        loaded.shut_down();
    }
    let all = suite.iter().zip(&files).map(|(one, file)| (&one.test, one.folder.as_path(), file));
    let covered = Covered::sum(all);
    let written: Vec<_> = covered.iter().map(Covered::as_file).collect();
    let complaints: Vec<&Complaint> = bad.iter().flat_map(|bad| &bad.complaints).collect();
    if arguments.printed.wants_json() {
        arguments.printed.json(&to_json(&files, &complaints, &covered))?;
    }
    if arguments.printed.form() == Output::Text {
        if !files.is_empty() {
            print(&files, arguments, &covered, started.elapsed());
        }
        report::complaints(complaints.iter().copied());
    }
    if let Some(path) = &arguments.junit {
        write(path, &stepwright_testkit::to_junit(&files))?;
    }
    if let Some(path) = &arguments.lcov {
        write(path, &stepwright_testkit::to_lcov(&written))?;
    }
    if let Some(path) = &arguments.cobertura {
        write(path, &stepwright_testkit::to_cobertura(&written))?;
    }
    if let Some(path) = &arguments.coverage_graph {
        for ((target, picture), one) in Covered::drawings(&covered, path).iter().zip(&covered) {
            write(target, picture)?;
            anstream::eprintln!("drew {} to {}", one.name, target.display());
        }
    }
    let threshold = arguments.coverage_threshold.unwrap_or(0.0);
    let too_little: Vec<_> = covered.iter().filter_map(|one| one.too_little(threshold)).collect();
    for why in &too_little {
        report::failure(&Failure::new(why.as_str()));
    }
    let failed = files.iter().any(|file| file.failed() > 0)
        || (arguments.deny_unused && files.iter().any(FileResult::has_unused))
        || !too_little.is_empty();
    let code = if bad.is_empty() { u8::from(failed) } else { 2 };
    Ok(Ran { code: ExitCode::from(code), read })
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        // An error shows up when the file is written.
        std::fs::create_dir_all(folder).ok();
    }
    std::fs::write(path, text)
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
}

/// The cases to run: the index of the file, and of the case in it.
fn choose(suite: &[Loaded], filter: Option<&str>) -> Vec<(usize, usize)> {
    let mut chosen = Vec::new();
    for (at, loaded) in suite.iter().enumerate() {
        for (number, case) in loaded.test.cases.iter().enumerate() {
            let is_meant = filter
                .is_none_or(|text| case.name.contains(text) || loaded.test.file.contains(text));
            if is_meant {
                chosen.push((at, number));
            }
        }
    }
    chosen
}

/// Runs the cases on as many threads as requested, or as there are processors.
fn run_all(
    suite: &[Loaded],
    chosen: &[(usize, usize)],
    arguments: &Test,
) -> Vec<(CaseResult, Duration)> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = arguments.jobs.unwrap_or(processors).clamp(1, 256).min(chosen.len().max(1));
    let next = AtomicUsize::new(0);
    let results: Vec<OnceLock<(CaseResult, Duration)>> =
        chosen.iter().map(|_| OnceLock::new()).collect();
    let work = || {
        while let Some((at, (file, case))) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            chosen.get(at).map(|place| (at, *place))
        } {
            let loaded = &suite[file];
            let begun = Instant::now();
            let functions = Real { loaded };
            let snapshot = |name: &str| std::fs::read_to_string(loaded.folder.join(name)).ok();
            let result = loaded.test.run(&loaded.test.cases[case], &functions, &snapshot);
            results[at].set((result, begun.elapsed())).ok();
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let taken = results.into_iter().map(|result| result.into_inner().expect("every case was run"));
    taken.collect()
}

/// The functions of a `stepwright.toml`, for mocks that pass calls on to them.
struct Real<'l> {
    loaded: &'l Loaded,
}

impl Functions for Real<'_> {
    fn call(
        &self,
        name: Option<&str>,
        call: &TaskCall,
    ) -> Result<(i64, Result<Json, stepwright_history::Failure>), String> {
        let functions = self.loaded.functions().map_err(str::to_owned)?;
        let called = functions.call(name, call, None);
        let (after, ended) = called.ok_or("stepwright.toml has no such function")?;
        Ok((after, ended.map_err(|(failure, _)| failure)))
    }
}

/// Groups the results by file again.
fn collect(
    suite: &[Loaded],
    chosen: &[(usize, usize)],
    results: Vec<(CaseResult, Duration)>,
    is_whole: bool,
) -> Vec<FileResult> {
    let mut files: Vec<FileResult> = suite
        .iter()
        .map(|loaded| FileResult {
            file: loaded.test.file.clone(),
            results: Vec::new(),
            unused_defaults: Vec::new(),
        })
        .collect();
    for ((file, _), result) in chosen.iter().zip(results) {
        files[*file].results.push(result);
    }
    for (file, loaded) in files.iter_mut().zip(suite).filter(|_| is_whole) {
        let results: Vec<CaseResult> =
            file.results.iter().map(|(result, _)| result.clone()).collect();
        file.unused_defaults = loaded.test.unused_defaults(&results);
    }
    files
}

/// Writes the snapshots that have changed.
fn bless(suite: &[Loaded], files: &mut [FileResult]) -> Result<(), Failure> {
    for (loaded, file) in suite.iter().zip(files) {
        for (result, _) in &mut file.results {
            for changed in result.bless() {
                let path = loaded.folder.join(&changed.file);
                write(&path, &changed.text)?;
                anstream::eprintln!("wrote {}", path.display());
            }
        }
    }
    Ok(())
}

fn print(files: &[FileResult], arguments: &Test, covered: &[Covered], took: Duration) {
    for file in files.iter().filter(|file| !file.results.is_empty()) {
        anstream::println!("{}", file.file);
        for (result, _) in &file.results {
            anstream::println!("{}", stepwright_testkit::case_text(result, width()));
        }
        for state in &file.unused_defaults {
            anstream::println!("  note: the mock of `{state}` in `defaults` was used by no case");
        }
    }
    if arguments.coverage {
        for covered in covered {
            anstream::println!("\n{}", covered.text());
        }
    }
    let sum = |of: fn(&FileResult) -> usize| files.iter().map(of).sum::<usize>();
    let (passed, failed) = (sum(FileResult::passed), sum(FileResult::failed));
    let virtual_millis: i64 =
        files.iter().flat_map(|file| &file.results).map(|(result, _)| result.elapsed_millis).sum();
    anstream::println!(
        "\n{passed} passed, {failed} failed in {:.2} s ({} of virtual time)",
        took.as_secs_f64(),
        duration(virtual_millis)
    );
}

fn to_json(files: &[FileResult], complaints: &[&Complaint], covered: &[Covered]) -> Json {
    let mut object = Object::new();
    let sum = |of: fn(&FileResult) -> usize| files.iter().map(of).sum::<usize>();
    object.insert("passed", sum(FileResult::passed).into());
    object.insert("failed", sum(FileResult::failed).into());
    let list: Vec<Json> = files.iter().map(stepwright_testkit::to_json).collect();
    object.insert("files", list.into());
    let complaints = complaints.iter().map(|complaint| {
        let lines = stepwright_source::LineIndex::new(&complaint.text);
        report::to_json(&complaint.file, &complaint.text, &lines, &complaint.diagnostic)
    });
    object.insert("complaints", complaints.collect::<Vec<_>>().into());
    let coverage: Vec<Json> = covered.iter().map(Covered::to_json).collect();
    object.insert("coverage", coverage.into());
    object.into()
}
