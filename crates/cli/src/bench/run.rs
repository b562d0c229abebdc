//! The measurements, one after the other.

use clap::ValueEnum as _;
use indicatif::ProgressBar;
use zre::Link;

use super::measure::fan_in::FanIn;
use super::measure::figures::{median, size_name};
use super::measure::meet::Meeting;
use super::measure::plan::{
    CONVERGING, FRAMES, NODES, RECEIVERS, SENDERS, SHOUTS, TRIPS, WHISPERS,
};
use super::measure::process::MeasureError;
use super::measure::shout::Shouts;
use super::measure::whisper::Whispers;
use super::table::{Table, Times};
use super::{BenchCommand, What};
use crate::bars::Bars;
use crate::output::Output;

/// Why the measurements end early.
#[derive(Debug)]
pub(super) enum End {
    /// The reader of the output has gone.
    Unread,
    Failed(MeasureError),
}

impl From<MeasureError> for End {
    fn from(error: MeasureError) -> Self {
        Self::Failed(error)
    }
}

/// All measurements of one command.
#[derive(Debug)]
pub(super) struct Run<'a> {
    command: &'a BenchCommand,
    links: Vec<Link>,
    /// The directory for unix sockets.
    dir: &'a str,
    bar: ProgressBar,
    table: Table,
    output: Output,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        command: &'a BenchCommand,
        dir: &'a str,
        bars: &Bars,
        output: Output,
    ) -> Self {
        let mut run = Self {
            command,
            links: command.links(),
            dir,
            bar: ProgressBar::hidden(),
            table: Table { json: command.json },
            output,
        };
        run.bar = bars.steps(run.steps());
        run
    }

    /// The number of measurements.
    fn steps(&self) -> u64 {
        let sizes = |usual: &[usize]| self.command.sizes(usual).len();
        let rounds = self.command.rounds();
        let of = |what: What| match what {
            What::Whisper => sizes(&WHISPERS) * FRAMES.len() * rounds,
            What::Senders => sizes(&CONVERGING) * SENDERS.len() * rounds,
            What::FanIn => sizes(&CONVERGING) * NODES.len() * rounds,
            What::Trip => sizes(&TRIPS) * rounds,
            What::Shout => sizes(&SHOUTS) * RECEIVERS.len() * rounds,
            What::Meet | What::Leave => 1,
        };
        let wanted = |what: &What| self.command.wants(*what);
        let all = What::value_variants().iter().copied().filter(wanted);
        let steps = all.map(of).sum::<usize>() * self.links.len();
        u64::try_from(steps).unwrap_or(u64::MAX)
    }

    /// # Errors
    /// A measurement fails, or the reader of the output has gone.
    pub(super) async fn measure(self) -> Result<(), End> {
        self.tell(self.table.top(self.command)).await?;
        if self.command.wants(What::Whisper) {
            self.whispers().await?;
        }
        if self.command.wants(What::Senders) {
            self.senders().await?;
        }
        if self.command.wants(What::FanIn) {
            self.fan_ins().await?;
        }
        if self.command.wants(What::Trip) {
            self.trips().await?;
        }
        if self.command.wants(What::Shout) {
            self.shouts().await?;
        }
        if self.command.wants(What::Meet) {
            self.meet().await?;
        }
        if self.command.wants(What::Leave) {
            self.leave().await?;
        }
        self.bar.finish_and_clear();
        Ok(())
    }

    async fn tell(&self, lines: Vec<u8>) -> Result<(), End> {
        match self.output.write(lines).await {
            true => Ok(()),
            false => Err(End::Unread),
        }
    }

    /// Runs one measurement.
    async fn step<T>(
        &self,
        name: String,
        measured: impl Future<Output = Result<T, MeasureError>>,
    ) -> Result<T, End> {
        self.bar.set_message(name);
        let figure = measured.await?;
        self.bar.inc(1);
        Ok(figure)
    }

    /// The medians over all rounds, in which the links take turns.
    async fn medians<const N: usize>(
        &self,
        name: &str,
        measure: impl AsyncFn(Link) -> Result<[f64; N], MeasureError>,
    ) -> Result<Vec<(Link, [f64; N])>, End> {
        let mut all: Vec<[Vec<f64>; N]> = Vec::new();
        all.resize_with(self.links.len(), || std::array::from_fn(|_| Vec::new()));
        for _ in 0..self.command.rounds() {
            for (&link, all) in self.links.iter().zip(&mut all) {
                let figures = self.step(format!("{name}, {link}"), measure(link)).await?;
                for (all, figure) in all.iter_mut().zip(figures) {
                    all.push(figure);
                }
            }
        }
        let medians = all.iter().map(|all| all.each_ref().map(|all| median(all)));
        Ok(self.links.iter().copied().zip(medians).collect())
    }

    /// The number of messages: the one that was asked for, or what takes some seconds.
    fn messages(&self, link: Link, size: usize) -> usize {
        let usual = self.command.amount().whispers(link, size);
        self.command.messages().unwrap_or(usual)
    }

    fn whisper(&self, link: Link, size: usize, frames: usize, count: usize) -> Whispers<'a> {
        Whispers {
            link,
            engine: "native",
            size,
            frames,
            senders: 1,
            count,
            encrypted: self.command.encrypted,
            dir: self.dir,
        }
    }

    async fn whispers(&self) -> Result<(), End> {
        self.tell(self.table.whispers_title(&self.links)).await?;
        for size in self.command.sizes(&WHISPERS) {
            for frames in FRAMES {
                let name = format!("whispers of {}", size_name(size));
                let measure = async |link| {
                    let whispers = self.whisper(link, size, frames, self.messages(link, size));
                    Ok([whispers.rate().await?])
                };
                let rates = self.medians(&name, measure).await?;
                let rates: Vec<_> = rates.iter().map(|(l, [rate])| (*l, *rate)).collect();
                self.tell(self.table.whispers(size, frames, &rates)).await?;
            }
        }
        Ok(())
    }

    async fn senders(&self) -> Result<(), End> {
        self.tell(self.table.senders_title(&self.links)).await?;
        for size in self.command.sizes(&CONVERGING) {
            for senders in SENDERS {
                let name = format!("whispers of {} by {senders} tasks", size_name(size));
                let measure = async |link| {
                    let whispers = self.whisper(link, size, 1, self.messages(link, size));
                    Ok([Whispers {
                        senders,
                        ..whispers
                    }
                    .rate()
                    .await?])
                };
                let rates = self.medians(&name, measure).await?;
                let rates: Vec<_> = rates.iter().map(|(l, [rate])| (*l, *rate)).collect();
                self.tell(self.table.senders(size, senders, &rates)).await?;
            }
        }
        Ok(())
    }

    async fn fan_ins(&self) -> Result<(), End> {
        self.tell(self.table.fan_in_title(&self.links)).await?;
        for size in self.command.sizes(&CONVERGING) {
            for nodes in NODES {
                let name = format!("whispers of {} by {nodes} nodes", size_name(size));
                let measure = async |link| {
                    let fan_in = FanIn {
                        link,
                        size,
                        nodes,
                        count: self.messages(link, size),
                        encrypted: self.command.encrypted,
                        dir: self.dir,
                    };
                    Ok([fan_in.rate().await?])
                };
                let rates = self.medians(&name, measure).await?;
                let rates: Vec<_> = rates.iter().map(|(l, [rate])| (*l, *rate)).collect();
                self.tell(self.table.fan_in(size, nodes, &rates)).await?;
            }
        }
        Ok(())
    }

    async fn trips(&self) -> Result<(), End> {
        self.tell(self.table.trips_title()).await?;
        for size in self.command.sizes(&TRIPS) {
            let usual = self.command.amount().trips(size);
            let count = self.command.messages().unwrap_or(usual);
            let name = format!("round trips of {}", size_name(size));
            let measure = async |link| self.whisper(link, size, 1, count).trip().await;
            for (link, trips) in self.medians(&name, measure).await? {
                self.tell(self.table.trip(size, link, trips)).await?;
            }
        }
        Ok(())
    }

    async fn shouts(&self) -> Result<(), End> {
        self.tell(self.table.shouts_title(&self.links)).await?;
        for size in self.command.sizes(&SHOUTS) {
            for receivers in RECEIVERS {
                let name = format!("shouts of {} to {receivers}", size_name(size));
                let measure = async |link| {
                    let usual = self.command.amount().deliveries(link, size);
                    let shouts = Shouts {
                        link,
                        size,
                        receivers,
                        deliveries: self.command.messages().unwrap_or(usual),
                        encrypted: self.command.encrypted,
                        dir: self.dir,
                    };
                    Ok([shouts.rate().await?])
                };
                let rates = self.medians(&name, measure).await?;
                let rates: Vec<_> = rates.iter().map(|(l, [rate])| (*l, *rate)).collect();
                self.tell(self.table.shouts(size, receivers, &rates))
                    .await?;
            }
        }
        Ok(())
    }

    fn meeting(&self, link: Link) -> Meeting<'a> {
        Meeting {
            link,
            visits: self.command.visits(),
            encrypted: self.command.encrypted,
            dir: self.dir,
        }
    }

    async fn meet(&self) -> Result<(), End> {
        self.tell(self.table.meet_title()).await?;
        for &link in &self.links {
            let name = format!("meeting, {link}");
            let samples = self.step(name, self.meeting(link).meet()).await?;
            self.tell(self.table.meet(link, Times::of(&samples)))
                .await?;
        }
        Ok(())
    }

    async fn leave(&self) -> Result<(), End> {
        self.tell(self.table.leave_title()).await?;
        for &link in &self.links {
            let name = format!("leaving, {link}");
            let ways = self.step(name, self.meeting(link).leave()).await?;
            for (how, samples) in ["stop", "kill"].into_iter().zip(&ways) {
                // A node can't crash alone within its process.
                if !samples.is_empty() {
                    let times = Times::of(samples);
                    self.tell(self.table.leave(link, how, times)).await?;
                }
            }
        }
        Ok(())
    }
}
