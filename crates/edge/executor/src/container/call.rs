//! A step that is a container: `docker://IMAGE`, or a container action.

use cutover_docker::{BuildRequest, Engine, ImageWish, JobContainerOrder};

use super::{
    main::{Fault, hand_on, say},
    order::{CallOrder, CallSource},
    signals::{Signals, Told},
};

/// Under which name images of actions are kept.
const REPOSITORY: &str = "cutover-action";

pub(super) async fn run(
    engine: &Engine,
    order: CallOrder,
    env: Vec<String>,
    volumes: Vec<String>,
    signals: &mut Signals,
) -> Result<i64, Fault> {
    let image = tokio::select! {
        image = image(engine, &order) => image?,
        () = signals.any() => return Err(Fault::Cancelled),
    };
    // What a predecessor of ours has left, killed in the middle.
    engine.remove(&order.name).await?;
    let container = JobContainerOrder {
        name: order.name.clone(),
        image,
        env,
        labels: order.labels,
        entrypoint: order.entrypoint.map(|program| vec![program]),
        command: (!order.args.is_empty()).then_some(order.args),
        workdir: Some("/github/workspace".to_owned()),
        volumes,
        ports: Vec::new(),
        network: order.network.map(|network| (network, Vec::new())),
        options: order.options,
    };
    let id = engine.make(&container).await?;
    let ended = attend(engine, &id, signals).await;
    engine.remove(&id).await?;
    ended
}

/// Starts it and stays with it to its end.
async fn attend(engine: &Engine, id: &str, signals: &mut Signals) -> Result<i64, Fault> {
    let mut output = engine.attach(id).await?;
    engine.begin(id).await?;
    loop {
        tokio::select! {
            piece = output.next() => match piece {
                Some(piece) => hand_on(&piece?)?,
                None => break,
            },
            told = signals.next() => tell(engine, id, told).await?,
        }
    }
    Ok(engine.wait(id).await?)
}

async fn tell(engine: &Engine, id: &str, told: Told) -> Result<(), Fault> {
    Ok(engine.signal(id, &format!("SIG{}", told.name())).await?)
}

async fn image(engine: &Engine, order: &CallOrder) -> Result<String, Fault> {
    match &order.source {
        CallSource::Image(reference) => {
            let wish = ImageWish {
                reference,
                credentials: None,
                platform: order.options.platform.as_deref(),
            };
            engine
                .ensure_image(wish, &mut |line: &str| say(line))
                .await?;
            Ok(reference.clone())
        }
        CallSource::Build { directory, file } => {
            let request = BuildRequest {
                context: directory.as_std_path().to_owned(),
                dockerfile: file.as_std_path().to_owned(),
                labels: [("cutover.action".to_owned(), "true".to_owned())].into(),
                repository: None,
            };
            let mut on_line = |line: &str| say(line);
            let built = engine.build_once(&request, REPOSITORY, &mut on_line);
            Ok(built.await?)
        }
    }
}
