//! Instances of one deployment, played.

use std::collections::BTreeMap;

/// Fence, then generation.
pub(super) type Order = (u64, u64);

/// Whether a copy can answer, and whether that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Health {
    /// It cannot, and nobody has heard of it.
    #[default]
    Dead,
    /// It cannot; this has been reported, and the report has arrived.
    KnownDead,
    /// It can.
    Alive,
}

/// One copy.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Instance {
    pub(super) health: Health,
    pub(super) draining: bool,
    /// It has been given a request.
    pub(super) served: bool,
    pub(super) in_flight: u32,
}

/// The instances that one deployment made.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) latest: Order,
    pub(super) instances: BTreeMap<u32, Instance>,
    /// No instance of it ever becomes healthy.
    pub(super) is_flawed: bool,
}

impl Place {
    /// One that has run for long.
    pub(super) fn serving(count: u32) -> Self {
        let instance = Instance {
            health: Health::Alive,
            served: true,
            ..Instance::default()
        };
        Self {
            instances: (0..count).map(|index| (index, instance)).collect(),
            ..Self::default()
        }
    }

    /// Whether somebody there can answer, as far as anybody can know.
    pub(super) fn can_serve(&self) -> bool {
        self.instances
            .values()
            .any(|instance| !instance.draining && instance.health != Health::KnownDead)
    }

    /// Whether all there can answer, as far as anybody can know.
    pub(super) fn is_well(&self) -> bool {
        let mut instances = self.instances.values();
        !self.instances.is_empty()
            && instances.all(|instance| !instance.draining && instance.health != Health::KnownDead)
    }

    /// Whether this order is not late; if so, older ones are from now on.
    pub(super) fn accept(&mut self, order: Order) -> bool {
        let is_news = order >= self.latest;
        self.latest = self.latest.max(order);
        is_news
    }
}
