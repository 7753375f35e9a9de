//! Figures of the events by pod or host, by program and by destination.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Row;

/// Most names of one table; events of further names are counted together.
const NAMES: usize = 2_000;
/// Most pairs of pod and program that are remembered as seen.
const SEEN: usize = 50_000;

/// What a table counts.
pub(super) const TABLES: [&str; 3] = ["POD OR HOST", "PROGRAM", "DESTINATION"];
/// The name of the events whose name has no place in a table.
const OTHERS: &str = "(others)";

/// The figures of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// All events.
    pub(super) total: u64,
    /// Events of the last whole second.
    pub(super) rate: u64,
    /// Programs that ran for the first time in a pod or on the host.
    pub(super) new: u64,
    /// Events beyond a budget.
    pub(super) lost: u64,
    at_second: u64,
}

/// The figures of all names, by table.
#[derive(Debug, Default)]
pub(super) struct Top {
    tables: [HashMap<String, Figures>; 3],
    seen: HashSet<(String, String)>,
    /// The names of containers, by their short ids, and of the host.
    places: HashMap<String, String>,
}

impl Top {
    /// Counts an event.
    pub(super) fn add(&mut self, row: &Row) {
        let is_new = row.is_exec
            && !row.program.is_empty()
            && self.seen.len() < SEEN
            && self.seen.insert((row.place.clone(), row.program.clone()));
        let is_new_place = !row.container.is_empty() && !self.places.contains_key(&row.container);
        if is_new_place && self.places.len() < NAMES {
            self.places.insert(row.container.clone(), row.place.clone());
        }
        let names = [&row.place, &row.program, &row.destination];
        for (table, name) in self.tables.iter_mut().zip(names) {
            if name.is_empty() {
                continue;
            }
            let figures = of(table, name);
            figures.total += 1;
            figures.new += u64::from(is_new);
        }
    }

    /// Takes the events of places beyond their budgets, by short id of the container.
    pub(super) fn throttled(&mut self, lost: &BTreeMap<String, u64>) {
        let [places, ..] = &mut self.tables;
        for figures in places.values_mut() {
            figures.lost = 0;
        }
        for (container, events) in lost.iter().filter(|(_, events)| **events > 0) {
            let name = self.places.get(container).unwrap_or(container);
            of(places, name).lost += events;
        }
    }

    /// Begins another second.
    pub(super) fn second(&mut self) {
        for figures in self.tables.iter_mut().flat_map(HashMap::values_mut) {
            figures.rate = figures.total - figures.at_second;
            figures.at_second = figures.total;
        }
    }

    /// The names of a table: those with the most events of the last second first, then those with the
    /// most events.
    pub(super) fn sorted(&self, table: usize) -> Vec<(&str, Figures)> {
        let mut names: Vec<_> = self.tables[table]
            .iter()
            .map(|(name, figures)| (name.as_str(), *figures))
            .filter(|(_, figures)| figures.total + figures.lost > 0)
            .collect();
        names.sort_by(|(a, one), (b, other)| {
            let order = (other.rate, other.total).cmp(&(one.rate, one.total));
            order.then_with(|| a.cmp(b))
        });
        names
    }
}

/// The figures of a name, or of all further names.
fn of<'a>(table: &'a mut HashMap<String, Figures>, name: &str) -> &'a mut Figures {
    let has_room = table.len() < NAMES || table.contains_key(name);
    let name = if has_room { name } else { OTHERS };
    table.entry(name.to_owned()).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(place: &str, program: &str) -> Row {
        Row {
            place: place.into(),
            program: program.into(),
            is_exec: true,
            ..Row::default()
        }
    }

    #[test]
    fn a_program_is_new_once_in_each_place() {
        let mut top = Top::default();
        for place in ["a", "b", "a"] {
            top.add(&exec(place, "/bin/sh"));
        }
        top.second();
        let figures = |total, new| Figures {
            total,
            rate: total,
            new,
            lost: 0,
            at_second: total,
        };
        assert_eq!(top.sorted(0), [("a", figures(2, 1)), ("b", figures(1, 1))]);
        assert_eq!(top.sorted(1), [("/bin/sh", figures(3, 2))]);
        top.second();
        assert_eq!(top.sorted(1)[0].1.rate, 0);
    }

    #[test]
    fn lost_events_are_those_of_the_pod_or_of_a_container_without_a_row() {
        let mut top = Top::default();
        top.add(&Row {
            container: "0123456789ab".into(),
            ..exec("shop/cart-0", "/bin/sh")
        });
        let lost = |counts: &[(&str, u64)]| {
            let counts = counts.iter();
            counts
                .map(|(id, events)| ((*id).to_owned(), *events))
                .collect()
        };
        let figures = |top: &Top| -> Vec<(String, u64)> {
            let sorted = top.sorted(0).into_iter();
            sorted
                .map(|(name, of)| (name.to_owned(), of.lost))
                .collect()
        };
        top.throttled(&lost(&[("0123456789ab", 5), ("ffffffffffff", 3)]));
        let expected = [
            ("shop/cart-0".to_owned(), 5),
            ("ffffffffffff".to_owned(), 3),
        ];
        assert_eq!(figures(&top), expected);
        top.throttled(&lost(&[("0123456789ab", 6)]));
        assert_eq!(figures(&top), [("shop/cart-0".to_owned(), 6)]);
    }

    #[test]
    fn events_of_too_many_names_are_counted_together() {
        let mut top = Top::default();
        for number in 0..NAMES + 7 {
            top.add(&exec(&number.to_string(), "x"));
        }
        let others = top.sorted(0)[0];
        assert_eq!((others.0, others.1.total), (OTHERS, 7));
    }
}
