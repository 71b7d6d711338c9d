//! The REST API: logins, bars and alerts. Of FastWS it knows only how to publish.

use crate::live::Alert;
use axum::extract::{FromRequestParts, Json, Query, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use fastws_tokio::Publisher;
use fastws_trading::feed::Feed;
use fastws_trading::prices::{Bar, Resolution};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Desk {
    feed: Feed,
    publisher: Publisher,
    /// Names by the secrets of their sessions.
    sessions: Arc<Mutex<HashMap<String, String>>>,
}

impl Desk {
    pub(crate) fn new(feed: Feed, publisher: Publisher) -> Self {
        Self { feed, publisher, sessions: Arc::default() }
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn routes() -> axum::Router<Desk> {
    axum::Router::new()
        .route("/docs", get(async || Html(include_str!("docs.html"))))
        .route("/api/v1/login", post(login))
        .route("/api/v1/bars", get(bars))
        .route("/api/v1/alerts", post(raise))
}

/// Whom a request's cookie belongs to. Whoever has none is refused with 401.
pub(crate) struct User {
    pub(crate) name: String,
}

impl FromRequestParts<Desk> for User {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Self::Rejection> {
        let cookies = parts.headers.get_all(header::COOKIE).iter();
        let mut pairs = cookies
            .filter_map(|cookies| cookies.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='));
        let secret = pairs.find(|(name, _)| *name == "session").map(|(_, secret)| secret);
        let name = secret.and_then(|secret| desk.sessions().get(secret).cloned());
        name.map(|name| Self { name }).ok_or((StatusCode::UNAUTHORIZED, "log in first"))
    }
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// Believes everybody, which is good enough for an example.
async fn login(State(desk): State<Desk>, Json(Login { name }): Json<Login>) -> impl IntoResponse {
    let mut secret = [0; 16];
    getrandom::fill(&mut secret).expect("the operating system has randomness");
    let secret = u128::from_le_bytes(secret);
    desk.sessions().insert(format!("{secret:032x}"), name);
    let cookie = format!("session={secret:032x}; Path=/; HttpOnly; SameSite=Strict");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)])
}

#[derive(Deserialize)]
struct Symbol {
    symbol: String,
}

/// The bars that form at present, of a minute, an hour and a day.
async fn bars(
    _: User,
    State(Desk { feed, .. }): State<Desk>,
    Query(Symbol { symbol }): Query<Symbol>,
) -> Result<Json<Vec<Bar>>, StatusCode> {
    if !feed.knows(&symbol) {
        return Err(StatusCode::NOT_FOUND);
    }
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u64;
    let spans = [Resolution::Minute, Resolution::Hour, Resolution::Day];
    Ok(Json(spans.iter().filter_map(|span| feed.bar(&symbol, *span, now)).collect()))
}

#[derive(Deserialize)]
struct Raise {
    symbol: String,
    message: String,
}

/// Tells everybody who listens, and how many that are.
async fn raise(
    user: User,
    State(desk): State<Desk>,
    Json(Raise { symbol, message }): Json<Raise>,
) -> Result<Json<usize>, StatusCode> {
    let alert = Alert { symbol, message, by: user.name };
    match desk.publisher.reach("alerts", "alerts.alert", &alert) {
        Ok(reached) => Ok(Json(reached.await)),
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}
