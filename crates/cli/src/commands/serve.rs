//! `stepwright serve`: serves the API until it is told to stop.

use crate::args::{LimitsChoice, Output, Serve};
use crate::config::Config;
use crate::input;
use crate::report::{self, Failure};
use crate::signals::stopped_for_certain;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use stepwright_functions::{Functions, LogSink};
use stepwright_integrations::Mocked;
use stepwright_server::config::{LimitsName, TlsConfig};
use stepwright_server::encryption::keyring;
use stepwright_server::{Api, Assembly, AssemblyError, Otlp, Reloader, serve};
use stepwright_services::Services;
use stepwright_store::Keyring;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A server that has just started.
pub(crate) struct Started {
    /// The URL of the server.
    pub(crate) url: String,
    pub(crate) api: Api,
    pub(crate) functions: Functions,
    pub(crate) otlp: Option<Arc<Otlp>>,
    pub(crate) services: Services,
    reloader: Reloader,
}

/// The number of threads for what takes long. Each takes address space, of which there may be little.
const MOST_THREADS: usize = 128;

pub(crate) fn run(arguments: &Serve) -> Result<ExitCode, Failure> {
    let assembly = assembly(arguments, config(arguments)?, None)?;
    let again = arguments.clone();
    run_with(arguments.log, assembly, |started| {
        // What cannot be heard ends the program, as it does without this.
        if let Ok(hangups) = signal(SignalKind::hangup()) {
            tokio::spawn(reload_when_told(hangups, again, started.reloader));
        }
    })
}

/// Takes over the keys, roles, grants and certificates that are configured when SIGHUP comes, and the store's keys.
async fn reload_when_told(mut told: Signal, arguments: Serve, reloader: Reloader) {
    while told.recv().await.is_some() {
        match reload(&arguments, &reloader).await {
            Ok(()) => anstream::println!(
                "Keys (those of `[encryption]` too), roles, grants and certificates are as configured now; \
                 all else needs a restart."
            ),
            Err(failure) => report::failure(&failure.help("everything stays as it was")),
        }
    }
}

async fn reload(arguments: &Serve, reloader: &Reloader) -> Result<(), Failure> {
    let now = config(arguments)?;
    let encryption = keys(&now)?;
    let reloaded = reloader.reload(now.callers(), encryption.as_ref()).await;
    reloaded.map_err(|error| report::refused(&error))
}

/// The keys of the store.
fn keys(config: &Config) -> Result<Option<Keyring>, Failure> {
    let keys = keyring(config.encryption.as_ref(), &config.folder);
    keys.map_err(|error| Failure::new(error.to_string()))
}

/// Serves, and calls a function once the server has started.
pub(crate) fn run_with(
    log: Output,
    assembly: Assembly,
    more: impl FnOnce(Started),
) -> Result<ExitCode, Failure> {
    start_log(log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(MOST_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start the server: {error}")))?;
    runtime.block_on(serve_until_stopped(assembly, more))?;
    Ok(ExitCode::SUCCESS)
}

/// The configuration, in which the command line's options take precedence.
pub(crate) fn config(arguments: &Serve) -> Result<Config, Failure> {
    let mut config = Config::find(arguments.config.as_deref(), Path::new("./x"))?;
    let folder = config.folder.clone();
    config.start_at(&folder);
    let server = &mut config.server;
    if let Some((certificate, key)) =
        arguments.tls_certificate.clone().zip(arguments.tls_key.clone())
    {
        server.tls = Some(TlsConfig { certificate, key });
    }
    server.insecure |= arguments.insecure;
    server.listen = arguments.listen.unwrap_or(server.listen);
    if let Some(limits) = arguments.limits {
        server.limits = match limits {
            LimitsChoice::Aws => LimitsName::Aws,
            LimitsChoice::Extended => LimitsName::Extended,
        };
    }
    if let Some(account) = &arguments.account {
        server.account.clone_from(account);
    }
    if let Some(region) = &arguments.region {
        server.region.clone_from(region);
    }
    server.store = arguments.store.clone().or(server.store.take()).filter(|_| !arguments.memory);
    if let Some(data) = &arguments.data {
        server.data = Some(data.clone());
    } else if arguments.memory {
        server.data = None;
    } else if server.data.is_none() {
        server.data = Some(PathBuf::from(".stepwright"));
    }
    Ok(config)
}

/// Assembles a server from a configuration. What functions print goes to the sink, or to the log.
pub(crate) fn assembly(
    arguments: &Serve,
    config: Config,
    sink: Option<LogSink>,
) -> Result<Assembly, Failure> {
    let place = config.place();
    let encryption = keys(&config)?;
    let server = config.server;
    let mut objects = config.objects;
    objects.folder = objects.folder.map(|path| config.folder.join(path));
    let mut archive = config.archive;
    if let Some(folder) = archive.as_mut().and_then(|archive| archive.folder.as_mut()) {
        *folder = config.folder.join(&*folder);
    }
    // The environment variable of Step Functions Local.
    let by_variable = std::env::var_os("SFN_MOCK_CONFIG").filter(|path| !path.is_empty());
    let by_variable = by_variable.map(PathBuf::from);
    let mocks = match arguments.mock_config.as_ref().or(by_variable.as_ref()) {
        Some(path) => Some(input::read_mock_config(path)?),
        None => None,
    };
    let sink = sink.unwrap_or_default();
    let functions = Functions::printing(config.functions, config.folder, place, sink)
        .map_err(|error| Failure::new(error.to_string()))?;
    Ok(Assembly {
        server,
        credentials: config.credentials,
        roles: config.roles,
        machines: config.machines,
        accounts: config.accounts,
        objects,
        archive,
        encryption,
        oidc: config.oidc,
        otlp: config.otlp,
        services: config.aws,
        resources: stepwright_stacks::template(&config.resources),
        mocked: Mocked::default().with_config(mocks),
        ..Assembly::new(functions)
    })
}

async fn serve_until_stopped(
    assembly: Assembly,
    more: impl FnOnce(Started),
) -> Result<(), Failure> {
    let listen = assembly.server.listen;
    let data = assembly.server.data.clone();
    let stopped = stopped_for_certain();
    let functions = assembly.functions.clone();
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|error| {
        Failure::new(format!("cannot listen on {listen}: {error}"))
            .help("another address can be given with --listen")
    })?;
    let serving = assembly.open().await.map_err(|error| refused(&error))?;
    let address = listener.local_addr().unwrap_or(listen);
    let engine = serving.api.engine().clone();
    let otlp = serving.otlp.clone();
    let scheme = if serving.is_encrypted() { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    let is_kept = data.is_some();
    let kept = match data {
        _ if engine.has_nodes() => "in PostgreSQL".to_owned(),
        Some(data) => format!("in {}", data.display()),
        None => "in memory".to_owned(),
    };
    anstream::println!("Stepwright serves Step Functions on {url}, {kept}.");
    more(Started {
        url,
        api: serving.api.clone(),
        functions: functions.clone(),
        otlp: otlp.clone(),
        services: serving.services.clone().expect("a server that is opened has them"),
        reloader: serving.reloader(),
    });
    let lost = engine.clone();
    let stop = async move {
        tokio::select! { () = stopped => {}, () = lost.lost() => {} }
    };
    serve(listener, serving, stop).await;
    engine.shutdown().await;
    functions.shutdown().await;
    if let Some(otlp) = otlp {
        otlp.flush().await;
    }
    if engine.is_lost() {
        let why = "another node has declared this one dead and drives its executions";
        return Err(Failure::new(why).help("start it again: it joins as a new node"));
    }
    if is_kept {
        let said = "Stopped; what was running goes on at the next start.";
        // Whoever has read the output may be gone.
        writeln!(anstream::stdout(), "{said}").ok();
    }
    Ok(())
}

fn refused(error: &AssemblyError) -> Failure {
    let failure = report::refused(error);
    match error {
        AssemblyError::Unprotected(_) => failure.help(
            "listen on 127.0.0.1, or add to stepwright.toml:\n[[credentials]]\naccess_key_id = \
             \"…\"\nsecret_access_key = \"…\"",
        ),
        AssemblyError::Unencrypted(_) => failure.help(
            "listen on 127.0.0.1, or add to stepwright.toml:\n[server.tls]\ncertificate = \"…\"\n\
             key = \"…\"\nIf something else encrypts the connections, say `insecure = true` in \
             [server], or --insecure",
        ),
        _ => failure,
    }
}

/// Starts the server's own log on standard error. `RUST_LOG` sets the level.
pub(crate) fn start_log(format: Output) {
    use tracing_subscriber::EnvFilter;
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,audit=info"));
    let is_seen = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_seen);
    let log = log.with_writer(std::io::stderr);
    match format {
        Output::Text => log.init(),
        Output::Json => log.json().init(),
    }
}
