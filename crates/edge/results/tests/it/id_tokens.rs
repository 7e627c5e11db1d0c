//! Who gets an id token, and who does not. That others can verify one is shown with their libraries.

use crate::world::{Job, World, claims, job, untrusted};

async fn ask(job: &Job<'_>, token: &str, query: &str) -> (u16, serde_json::Value) {
    let url = format!("{}/oidc/token?api-version=2.0{query}", job.world.url);
    let answer = job
        .world
        .client
        .get(url)
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn only_a_trusted_job_with_the_permission_gets_one_and_only_with_its_own_token() {
    let world = World::new().await;
    let mut wanted = job("run", "deploy");
    assert!(
        !world
            .job(wanted.clone())
            .grant
            .env
            .contains_key("ACTIONS_ID_TOKEN_REQUEST_URL")
    );
    wanted.id_token = true;
    let stranger = world.job(untrusted(job("stranger", "deploy")));
    assert!(
        !stranger
            .grant
            .env
            .contains_key("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    );

    let job = world.job(wanted);
    let asking = job.grant.env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"].clone();
    let masks: Vec<&str> = job
        .grant
        .masks
        .iter()
        .map(cutover_model::Secret::expose)
        .collect();
    assert_eq!(masks, [job.token(), &asking]);
    assert_eq!(ask(&job, job.token(), "").await.0, 401);
    let (status, answer) = ask(&job, &asking, "&audience=a%2Fb").await;
    assert_eq!(status, 200, "{answer}");
    let claims = claims(answer["value"].as_str().unwrap());
    assert_eq!(
        (&claims["aud"], &claims["sub"]),
        (&"a/b".into(), &"repo:octo/hello:ref:refs/heads/main".into())
    );
    assert_eq!(claims["iss"], world.url);
    assert_eq!(
        ask(&job, &asking, &format!("&audience={}", "x".repeat(2_000)))
            .await
            .0,
        400
    );
    // The other way round it is no good either.
    let list = world
        .client
        .get(format!("{}/_apis/artifactcache/caches", world.url));
    assert_eq!(
        list.bearer_auth(&asking).send().await.unwrap().status(),
        401
    );
    world.service.revoke(&job.grant.id).unwrap();
    assert_eq!(ask(&job, &asking, "").await.0, 401);
}
