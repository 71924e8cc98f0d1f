//! A processor for the data plane alone: how it shares one with client and backend would decide what it costs, because
//! it finds more to do at once the longer it has to wait for its turn.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::dataplane_rig::Dataplane;

/// While this is there, the thread that made it, and whatever it starts, keep off the first processor that they have.
/// With one processor there is nothing to keep off.
pub(super) struct Apart {
    all: CpuSet,
    first: CpuSet,
}

impl Apart {
    pub(super) fn begin() -> anyhow::Result<Self> {
        let all = sched_getaffinity(Pid::from_raw(0))?;
        let (mut first, mut others) = (CpuSet::new(), CpuSet::new());
        let mut ours = (0..CpuSet::count()).filter(|cpu| all.is_set(*cpu).unwrap_or(false)).peekable();
        let only = ours.next().unwrap_or(0);
        first.set(only)?;
        if ours.peek().is_none() {
            others.set(only)?;
        }
        ours.try_for_each(|cpu| others.set(cpu))?;
        sched_setaffinity(Pid::from_raw(0), &others)?;
        Ok(Self { all, first })
    }

    /// Puts the data plane there.
    pub(super) fn put(&self, dataplane: &Dataplane) -> anyhow::Result<()> {
        dataplane.threads()?.into_iter().try_for_each(|it| match sched_setaffinity(it, &self.first) {
            // One that answered a probe has ended meanwhile.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        sched_setaffinity(Pid::from_raw(0), &self.all).ok();
    }
}
