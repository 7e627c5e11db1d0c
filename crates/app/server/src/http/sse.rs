//! What is stored, as it is stored, to those who look: server-sent events that carry only the name
//! of the stream; whoever is interested asks for the rest.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::error::RecvError;

use crate::Control;

/// Between two looks at the balancer, as long as somebody watches.
const TRAFFIC: Duration = Duration::from_secs(1);

pub(super) async fn events(
    State(control): State<Control>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let notices = control.subscribe();
    let mut traffic = tokio::time::interval(TRAFFIC);
    traffic.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stream = stream::unfold(
        (control, notices, traffic),
        |(control, mut notices, mut traffic)| async {
            let event = tokio::select! {
                () = control.closing().cancelled() => return None,
                notice = notices.recv() => match notice {
                    Ok(notice) => Event::default().event("stored").data(notice.stream),
                    // Whoever lagged behind reads everything afresh.
                    Err(RecvError::Lagged(_)) => Event::default().event("stored").data("*"),
                    Err(RecvError::Closed) => return None,
                },
                _ = traffic.tick() => Event::default().event("traffic").data(""),
            };
            Some((Ok(event), (control, notices, traffic)))
        },
    );
    Sse::new(stream).keep_alive(KeepAlive::default())
}
