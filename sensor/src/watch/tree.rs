//! Execs below the exec of their parent, as far as the rows are kept.

use std::collections::HashMap;

use super::Row;

/// Most levels that move a row to the right.
const DEEPEST: usize = 12;

/// One row of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Number of the row.
    pub(super) number: u64,
    /// The lines of the tree before the text: `│ └─ `.
    pub(super) branch: String,
}

/// The execs of the rows in the order of the tree. Below an exec are the later execs of the same
/// process, and those of its children. Rows without a process id are at the root.
pub(super) fn nodes<'r>(rows: impl Iterator<Item = (u64, &'r Row)>) -> Vec<Node> {
    let mut children: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut roots = Vec::new();
    // The last exec of each process.
    let mut running: HashMap<i64, (u64, Option<i64>)> = HashMap::new();
    for (number, row) in rows.filter(|(_, row)| row.is_exec) {
        let own = row.pid.and_then(|pid| running.get(&pid));
        // A process with the number and another parent is another process.
        let own = own.filter(|(_, parent)| *parent == row.parent);
        let above = own.or_else(|| running.get(&row.parent?));
        match above {
            Some((above, _)) => children.entry(*above).or_default().push(number),
            None => roots.push(number),
        }
        if let Some(pid) = row.pid {
            running.insert(pid, (number, row.parent));
        }
    }
    let mut nodes = Vec::new();
    // What comes next, the nearest last: the number, the lines of the levels above, the level, and
    // whether it is the last one of its parent.
    let mut next: Vec<(u64, String, usize, bool)> = Vec::new();
    next.extend(
        roots
            .into_iter()
            .rev()
            .map(|root| (root, String::new(), 0, true)),
    );
    while let Some((number, above, level, is_last)) = next.pop() {
        let branch = match level {
            0 => String::new(),
            _ if is_last => format!("{above}└─ "),
            _ => format!("{above}├─ "),
        };
        let below = match level {
            0 => String::new(),
            DEEPEST.. => above,
            _ if is_last => format!("{above}   "),
            _ => format!("{above}│  "),
        };
        for (place, child) in children
            .remove(&number)
            .unwrap_or_default()
            .into_iter()
            .rev()
            .enumerate()
        {
            next.push((child, below.clone(), level + 1, place == 0));
        }
        nodes.push(Node { number, branch });
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(pid: i64, parent: i64) -> Row {
        Row {
            pid: Some(pid),
            parent: Some(parent),
            is_exec: true,
            ..Row::default()
        }
    }

    fn tree(rows: &[Row]) -> Vec<String> {
        let nodes = nodes((0..).zip(rows));
        let text = |node: Node| format!("{}{}", node.branch, node.number);
        nodes.into_iter().map(text).collect()
    }

    #[test]
    fn an_exec_is_below_the_exec_of_its_parent_and_of_its_own_process() {
        let rows = [
            exec(10, 1),
            exec(11, 10),
            exec(20, 1),
            exec(12, 10),
            exec(12, 10),
            exec(13, 11),
            // Another process with an old number.
            exec(11, 99),
        ];
        assert_eq!(
            tree(&rows),
            ["0", "├─ 1", "│  └─ 5", "└─ 3", "   └─ 4", "2", "6"]
        );
    }

    #[test]
    fn a_long_chain_of_execs_moves_only_so_far_to_the_right() {
        let rows: Vec<_> = (1..5000).map(|pid| exec(pid, pid - 1)).collect();
        let tree = tree(&rows);
        assert_eq!(tree.len(), rows.len());
        assert!(tree.iter().all(|row| row.chars().count() < 60));
    }
}
