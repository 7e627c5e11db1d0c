//! Containers: what is written becomes part of the plan, and a flag that is not honoured is refused.

use cutover_dialect::{Options, compile};
use cutover_model::plan::{
    StepBody, Template,
    container::{ContainerImage, ContainerUse, Credentials, SET_UP_NAME, Services},
};

use crate::{PATH, check, push, tree};

const WRITTEN: &str = "
    on: push
    jobs:
      a:
        runs-on: x
        container:
          image: node:20
          env: { A: '${{ secrets.T }}' }
          ports: [80, '8080:81/udp']
          volumes: [data:/data]
          options: --cpus 1 --init
          credentials: { username: me, password: '${{ secrets.P }}' }
        services:
          db:
            image: postgres:16
            options: >-
              --health-cmd pg_isready
              --health-interval 1s
            command: -c fsync=off
            entrypoint: ''
          cache: redis
          maybe: ${{ fromJSON(vars.X) }}
        steps:
          - run: echo
          - uses: docker://alpine:3
            with: { args: echo hi, Word: x }
      b:
        runs-on: x
        container: ${{ fromJSON(vars.X) }}
        services: ${{ fromJSON(vars.X) }}
        steps: [{ run: echo }]
    ";

#[test]
fn containers_are_part_of_the_plan() {
    check(WRITTEN, "");
    let compiled = compile(&tree(&[(PATH, WRITTEN)]), PATH, &push(), Options::default());
    let plan = compiled.plan.unwrap();
    let job = &plan.jobs[0];
    let Some(ContainerUse::Spec(container)) = &job.container else {
        panic!("{:?}", job.container);
    };
    assert_eq!(container.image.text, "node:20");
    let texts = |list: &[Template]| list.iter().map(|it| it.text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&container.ports), ["80", "8080:81/udp"]);
    assert_eq!(texts(&container.volumes), ["data:/data"]);
    assert_eq!(container.env[0].0, "A");
    let Some(Credentials::Pair { password, .. }) = &container.credentials else {
        panic!("{:?}", container.credentials);
    };
    assert_eq!(password.text, "${{ secrets.P }}");
    let Some(Services::Named(services)) = &job.services else {
        panic!("{:?}", job.services);
    };
    let names: Vec<_> = services.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["db", "cache", "maybe"]);
    let ContainerUse::Spec(db) = &services[0].1 else {
        panic!("{:?}", services[0]);
    };
    assert_eq!(db.command.as_ref().unwrap().text, "-c fsync=off");
    assert_eq!(db.entrypoint, None);
    assert!(matches!(services[2].1, ContainerUse::Expression(_)));
    let first = &job.steps[0];
    assert_eq!(first.body, StepBody::SetUpContainers);
    assert_eq!(first.name.as_ref().unwrap().text, SET_UP_NAME);
    let StepBody::Container(step) = &job.steps[2].body else {
        panic!("{:?}", job.steps[2]);
    };
    let image = ContainerImage::Reference {
        reference: "alpine:3".to_owned(),
    };
    assert_eq!(step.image, image);
    assert_eq!(step.inputs[1].0, "Word");
    assert!(matches!(
        plan.jobs[1].container,
        Some(ContainerUse::Expression(_))
    ));
    assert!(matches!(
        plan.jobs[1].services,
        Some(Services::Expression(_))
    ));
    assert_eq!(plan.jobs[1].steps.len(), 2);
}

#[test]
fn a_flag_that_is_not_honoured_is_refused_where_it_stands() {
    check(
        "
        on: push
        jobs:
          a:
            runs-on: x
            container: { image: x, options: --cpus 1 --gpus all }
            services:
              db: { image: x, options: --network host }
              empty: { image: x, options: '${{ vars.options }}' }
            steps: [{ run: echo }]
        ",
        "
            5:46 1013 `--gpus` in `options` is not known here; the reference of the workflow language lists those that are
            7:32 1013 `--network` in `options` has no place here: the containers of a job share a network of their own
            ",
    );
}

#[test]
fn what_may_come_to_no_container_needs_none_beforehand() {
    let text = "
        on: push
        jobs:
          dynamic:
            runs-on: x
            strategy: { matrix: { image: ['', a] } }
            container: ${{ matrix.image }}
            services: { db: { image: '${{ matrix.image }}' } }
            steps: [{ uses: docker://a, if: matrix.image }]
          unlikely: { runs-on: x, if: 'false', container: a, steps: [{ run: echo }] }
          fixed: { runs-on: x, container: a, steps: [{ run: echo }] }
          served: { runs-on: x, services: { db: { image: a } }, steps: [{ run: echo }] }
          stepped: { runs-on: x, steps: [{ uses: docker://a }] }
        ";
    let compiled = compile(&tree(&[(PATH, text)]), PATH, &push(), Options::default());
    let plan = compiled.plan.unwrap();
    let needs: Vec<bool> = plan.jobs.iter().map(|job| job.needs_containers()).collect();
    assert_eq!(needs, [false, false, true, true, true]);
}
