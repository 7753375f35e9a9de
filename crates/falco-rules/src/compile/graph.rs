//! Conditions as a graph in which equal expressions are one node.

use rustc_hash::FxHashMap;

use super::CheckId;

/// Number of a node.
pub(crate) type NodeId = u32;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Expr {
    /// Never true.
    False,
    /// Always true.
    True,
    /// True if all of two or more nodes are true.
    And(Box<[NodeId]>),
    /// True if at least one of two or more nodes is true.
    Or(Box<[NodeId]>),
    /// True if the other node is false.
    Not(NodeId),
    /// True if the check is true.
    Check(CheckId),
}

/// The nodes. A node refers only to nodes with smaller numbers.
#[derive(Debug)]
pub(crate) struct Graph {
    nodes: Vec<Expr>,
    depth: Vec<u32>,
    numbers: FxHashMap<Expr, NodeId>,
}

impl Default for Graph {
    fn default() -> Self {
        Self {
            nodes: vec![Expr::False, Expr::True],
            depth: vec![1, 1],
            numbers: FxHashMap::default(),
        }
    }
}

impl Graph {
    /// [`Expr::False`].
    pub(crate) const FALSE: NodeId = 0;
    /// [`Expr::True`].
    pub(crate) const TRUE: NodeId = 1;

    /// The expression of a node.
    #[must_use]
    #[inline]
    pub(crate) fn get(&self, node: NodeId) -> &Expr {
        self.nodes.get(node as usize).unwrap_or(&Expr::False)
    }

    /// Number of nodes.
    #[must_use]
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Depth of the deepest node.
    #[must_use]
    pub(crate) fn depth(&self, node: NodeId) -> u32 {
        self.depth.get(node as usize).copied().unwrap_or(1)
    }

    /// The node of a constant.
    #[must_use]
    pub(crate) const fn constant(value: bool) -> NodeId {
        if value { Self::TRUE } else { Self::FALSE }
    }

    /// The node of a check.
    pub(crate) fn check(&mut self, check: CheckId) -> NodeId {
        self.intern(Expr::Check(check))
    }

    /// The negation of a node.
    pub(crate) fn negate(&mut self, node: NodeId) -> NodeId {
        match *self.get(node) {
            Expr::False => Self::TRUE,
            Expr::True => Self::FALSE,
            Expr::Not(inner) => inner,
            _ => self.intern(Expr::Not(node)),
        }
    }

    /// The conjunction of nodes.
    pub(crate) fn and(&mut self, parts: impl IntoIterator<Item = NodeId>) -> NodeId {
        self.join(parts, Self::TRUE, Self::FALSE, Expr::And)
    }

    /// The disjunction of nodes.
    pub(crate) fn or(&mut self, parts: impl IntoIterator<Item = NodeId>) -> NodeId {
        self.join(parts, Self::FALSE, Self::TRUE, Expr::Or)
    }

    fn join(
        &mut self,
        parts: impl IntoIterator<Item = NodeId>,
        neutral: NodeId,
        decisive: NodeId,
        make: fn(Box<[NodeId]>) -> Expr,
    ) -> NodeId {
        let mut kept = Vec::new();
        for part in parts {
            if part == decisive {
                return decisive;
            }
            if part != neutral && (kept.len() > 32 || !kept.contains(&part)) {
                kept.push(part);
            }
        }
        match kept.as_slice() {
            [] => neutral,
            [one] => *one,
            _ => self.intern(make(kept.into())),
        }
    }

    fn intern(&mut self, expr: Expr) -> NodeId {
        if let Some(&node) = self.numbers.get(&expr) {
            return node;
        }
        let below = match &expr {
            Expr::And(parts) | Expr::Or(parts) => parts
                .iter()
                .map(|part| self.depth(*part))
                .max()
                .unwrap_or(0),
            Expr::Not(inner) => self.depth(*inner),
            _ => 0,
        };
        let node = NodeId::try_from(self.nodes.len()).unwrap_or(NodeId::MAX);
        self.depth.push(below + 1);
        self.nodes.push(expr.clone());
        self.numbers.insert(expr, node);
        node
    }

    /// Calls `each` once for every check below a node, with whether the check can make the node
    /// true by being true.
    pub(crate) fn checks(&self, node: NodeId, each: &mut dyn FnMut(CheckId, bool)) {
        let mut seen = rustc_hash::FxHashSet::default();
        let mut open = vec![(node, true)];
        while let Some((node, positive)) = open.pop() {
            if !seen.insert((node, positive)) {
                continue;
            }
            match self.get(node) {
                Expr::False | Expr::True => {}
                Expr::Check(check) => each(*check, positive),
                Expr::Not(inner) => open.push((*inner, !positive)),
                Expr::And(parts) | Expr::Or(parts) => {
                    open.extend(parts.iter().rev().map(|part| (*part, positive)));
                }
            }
        }
    }
}
