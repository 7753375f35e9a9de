//! Evaluates the rules of a set for an event.
//!
//! For each event, the engine asks for a field at most once and makes a check at most once, and
//! only if a rule needs the field or the check.

use bumpalo::collections::Vec as BumpVec;

use crate::{
    Leaf, Matching, Outline, Rule, RuleSet, Source, Value,
    compile::{
        CheckId, Dispatch, Expr, NodeId, OperandId, OperandInfo, Quantifier, Test, is_ordered,
        number_of,
    },
    condition::Operator,
};

/// Memory of an evaluation, which the caller keeps from event to event. It works with any rule set.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Number of the event; a result with another number belongs to an earlier event.
    epoch: u32,
    /// By node: the number of the event, and the result in the lowest bit.
    results: Vec<u32>,
    /// By operand: the number of the event, and the position of the value.
    slots: Vec<(u32, u32)>,
    /// Rules to evaluate, as a bit set.
    candidates: Vec<u64>,
}

impl Scratch {
    #[inline]
    fn begin(&mut self, nodes: usize, operands: usize) {
        self.epoch += 1;
        if self.epoch > u32::MAX / 2 {
            self.epoch = 1;
            self.results.fill(0);
            self.slots.fill((0, 0));
        }
        if self.results.len() < nodes {
            self.results.resize(nodes, 0);
        }
        if self.slots.len() < operands {
            self.slots.resize(operands, (0, 0));
        }
        self.candidates.clear();
    }

    /// Adds rules to those that the engine evaluates.
    #[inline]
    fn add(&mut self, rules: &[u32]) {
        for rule in rules {
            let rule = *rule as usize;
            self.candidates[rule / 64] |= 1 << (rule % 64);
        }
    }

    /// Whether the engine evaluates at least one rule of a bit set.
    #[inline]
    fn has_any(&self, rules: &[u64]) -> bool {
        let mut words = self.candidates.iter().zip(rules);
        words.any(|(word, rules)| word & rules != 0)
    }

    /// Removes rules from those that the engine evaluates.
    #[inline]
    fn remove(&mut self, rules: &[u64]) {
        for (word, rules) in self.candidates.iter_mut().zip(rules) {
            *word &= !rules;
        }
    }

    /// The number of rules that the engine had to evaluate for the last event.
    #[must_use]
    pub fn looked_at(&self) -> u32 {
        self.candidates.iter().map(|word| word.count_ones()).sum()
    }
}

/// Measures what each rule costs.
pub trait Meter {
    /// A moment.
    type Moment: Copy;

    /// The current moment.
    fn now(&self) -> Self::Moment;

    /// The engine has evaluated the condition of the rule with that number, from `since` on. What
    /// rules share counts for the rule that needs the value first.
    fn evaluated(&mut self, rule: usize, since: Self::Moment);
}

/// Measures nothing.
impl Meter for () {
    type Moment = ();

    #[inline]
    fn now(&self) {}

    #[inline]
    fn evaluated(&mut self, _rule: usize, _since: ()) {}
}

impl<S: Source> RuleSet<S> {
    /// Calls `each` with the rules that an event matches, in order: the first one, or all of them.
    #[inline]
    pub fn evaluate<'e>(
        &self,
        scratch: &mut Scratch,
        event: &'e S::Event<'e>,
        each: &mut dyn FnMut(&Rule<S>),
    ) {
        self.evaluate_metered(scratch, event, &mut (), each);
    }

    /// As [`Self::evaluate`], and measures what each rule costs.
    pub fn evaluate_metered<'e>(
        &self,
        scratch: &mut Scratch,
        event: &'e S::Event<'e>,
        meter: &mut impl Meter,
        each: &mut dyn FnMut(&Rule<S>),
    ) {
        let program = match self.programs.get(S::class(event)) {
            Some(program) if !program.rules.is_empty() => program,
            _ => return,
        };
        scratch.begin(self.graph.len(), self.checks.operands.len());
        let mut run = Run {
            set: self,
            event,
            slots: BumpVec::new_in(S::arena(event)),
            scratch,
        };
        run.find_candidates(&program.dispatch);
        for word in 0..run.scratch.candidates.len() {
            let mut bits = run.scratch.candidates[word];
            while bits != 0 {
                let index = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let Some(&(rule, node)) = program.rules.get(index) else {
                    continue;
                };
                let began = meter.now();
                let matches = run.node(node);
                meter.evaluated(rule as usize, began);
                if matches {
                    if let Some(rule) = self.rules.get(rule as usize) {
                        each(rule);
                    }
                    if self.matching == Matching::First {
                        return;
                    }
                }
            }
        }
    }
}

impl<S: Source> RuleSet<S> {
    /// The verdict of each leaf of an outline for an event, and the value that the leaf looks at.
    pub fn verdicts<'e>(
        &self,
        scratch: &mut Scratch,
        outline: &Outline,
        event: &'e S::Event<'e>,
    ) -> Vec<(bool, Value<'e>)> {
        scratch.begin(self.graph.len(), self.checks.operands.len());
        let mut run = Run {
            set: self,
            event,
            slots: BumpVec::new_in(S::arena(event)),
            scratch,
        };
        let verdict = |leaf: &Leaf| {
            let value = match self.graph.get(leaf.node) {
                Expr::Check(check) => run.value(self.checks.get(*check).operand),
                _ => Value::Absent,
            };
            (run.node(leaf.node), value)
        };
        outline.leaves().iter().map(verdict).collect()
    }
}

/// The value of an operand for this event, as far as a check has needed it.
struct Slot<'a> {
    value: Value<'a>,
    symbols: Option<&'a [u32]>,
    patterns: Option<&'a [u64]>,
}

struct Run<'r, 'a, S: Source> {
    set: &'r RuleSet<S>,
    event: &'a S::Event<'a>,
    scratch: &'r mut Scratch,
    slots: BumpVec<'a, Slot<'a>>,
}

impl<'a, S: Source> Run<'_, 'a, S> {
    fn find_candidates(&mut self, dispatch: &Dispatch) {
        self.scratch.candidates.extend_from_slice(&dispatch.always);
        for (operand, rules) in &dispatch.symbols {
            for symbol in self.symbols(*operand) {
                if let Some(rules) = rules.get(symbol) {
                    self.scratch.add(rules);
                }
            }
        }
        for (operand, rules) in &dispatch.patterns {
            for (word, bits) in self.patterns(*operand).iter().enumerate() {
                let mut bits = *bits;
                while bits != 0 {
                    let number = word * 64 + bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    if let Some(rules) = u32::try_from(number).ok().and_then(|n| rules.get(&n)) {
                        self.scratch.add(rules);
                    }
                }
            }
        }
        for (operand, rules) in &dispatch.numbers {
            self.each(*operand, |value, scratch| {
                if let Some(rules) = number_of(value).and_then(|number| rules.get(&number)) {
                    scratch.add(rules);
                }
            });
        }
        for (operand, prefixes) in &dispatch.prefixes {
            self.each(*operand, |value, scratch| {
                if let Value::Str(text) = value {
                    prefixes.run(text.bytes(), |rules| scratch.add(rules));
                }
            });
        }
        for (operand, suffixes) in &dispatch.suffixes {
            self.each(*operand, |value, scratch| {
                if let Value::Str(text) = value {
                    suffixes.run(text.bytes().rev(), |rules| scratch.add(rules));
                }
            });
        }
        for (parts, rules) in &dispatch.guards {
            if self.scratch.has_any(rules) && !parts.iter().all(|part| self.node(*part)) {
                self.scratch.remove(rules);
            }
        }
    }

    /// Calls a function with each value of an operand.
    fn each(&mut self, operand: OperandId, mut take: impl FnMut(&Value<'_>, &mut Scratch)) {
        match self.value(operand) {
            Value::List(values) => values.iter().for_each(|value| take(value, self.scratch)),
            value => take(&value, self.scratch),
        }
    }

    fn node(&mut self, node: NodeId) -> bool {
        let set = self.set;
        let expr = set.graph.get(node);
        match expr {
            Expr::False => return false,
            Expr::True => return true,
            Expr::Not(inner) => return !self.node(*inner),
            _ => {}
        }
        let known = self.scratch.results[node as usize];
        if known >> 1 == self.scratch.epoch {
            return known & 1 == 1;
        }
        let result = match expr {
            Expr::And(parts) => parts.iter().all(|part| self.node(*part)),
            Expr::Or(parts) => parts.iter().any(|part| self.node(*part)),
            Expr::Check(check) => self.check(*check),
            _ => false,
        };
        self.scratch.results[node as usize] = self.scratch.epoch << 1 | u32::from(result);
        result
    }

    fn check(&mut self, check: CheckId) -> bool {
        let check = self.set.checks.get(check);
        match &check.test {
            Test::Never => false,
            Test::Symbols(symbols, Quantifier::Any) => self
                .symbols(check.operand)
                .iter()
                .any(|symbol| symbols.contains(*symbol)),
            Test::Pattern(number) if self.info(check.operand).search.is_some() => self
                .patterns(check.operand)
                .get(*number as usize / 64)
                .is_some_and(|bits| bits >> (number % 64) & 1 == 1),
            Test::Exists => !self.value(check.operand).is_absent(),
            Test::Operand(operator, right) => {
                let (left, right) = (self.value(check.operand), self.value(*right));
                compare(*operator, &left, &right)
            }
            test => {
                let value = self.value(check.operand);
                let info = self.info(check.operand);
                match value {
                    Value::List(values) if test.quantifier() == Quantifier::All => {
                        !values.is_empty() && values.iter().all(|value| passes(test, value, info))
                    }
                    Value::List(values) => values.iter().any(|value| passes(test, value, info)),
                    value => passes(test, &value, info),
                }
            }
        }
    }

    fn info(&self, operand: OperandId) -> &OperandInfo<S> {
        &self.set.checks.operands[operand as usize]
    }

    /// The position of the value of an operand; asks the event for the value if necessary.
    fn slot(&mut self, operand: OperandId) -> usize {
        let (epoch, slot) = self.scratch.slots[operand as usize];
        if epoch == self.scratch.epoch {
            return slot as usize;
        }
        let value = self.set.checks.operands[operand as usize]
            .operand
            .get(self.event);
        let slot = self.slots.len();
        self.slots.push(Slot {
            value,
            symbols: None,
            patterns: None,
        });
        let number = u32::try_from(slot).unwrap_or(u32::MAX);
        self.scratch.slots[operand as usize] = (self.scratch.epoch, number);
        slot
    }

    fn value(&mut self, operand: OperandId) -> Value<'a> {
        let slot = self.slot(operand);
        self.slots[slot].value
    }

    /// Numbers of the constants that are equal to the operand.
    fn symbols(&mut self, operand: OperandId) -> &'a [u32] {
        let slot = self.slot(operand);
        if let Some(symbols) = self.slots[slot].symbols {
            return symbols;
        }
        let info = &self.set.checks.operands[operand as usize];
        let arena = S::arena(self.event);
        let symbols: &'a [u32] = match self.slots[slot].value {
            value @ Value::Str(_) => match symbol(&value, info) {
                Some(symbol) => arena.alloc_slice_copy(&[symbol]),
                None => &[],
            },
            Value::List(values) => {
                let mut found = BumpVec::new_in(arena);
                found.extend(values.iter().filter_map(|value| symbol(value, info)));
                found.into_bump_slice()
            }
            _ => &[],
        };
        self.slots[slot].symbols = Some(symbols);
        symbols
    }

    /// Bits of the patterns that the operand contains.
    fn patterns(&mut self, operand: OperandId) -> &'a [u64] {
        let slot = self.slot(operand);
        if let Some(patterns) = self.slots[slot].patterns {
            return patterns;
        }
        let Some(search) = &self.set.checks.operands[operand as usize].search else {
            return &[];
        };
        let bits = S::arena(self.event).alloc_slice_fill_copy(search.words, 0_u64);
        match self.slots[slot].value {
            Value::Str(text) => search.run(text, bits),
            Value::List(values) => {
                for value in values {
                    if let Value::Str(text) = value {
                        search.run(text, bits);
                    }
                }
            }
            _ => {}
        }
        self.slots[slot].patterns = Some(bits);
        bits
    }
}

fn symbol<S: Source>(value: &Value<'_>, info: &OperandInfo<S>) -> Option<u32> {
    match value {
        Value::Str(text) if text.len() <= info.longest => info.symbols.get(*text).copied(),
        _ => None,
    }
}

fn passes<S: Source>(test: &Test, value: &Value<'_>, info: &OperandInfo<S>) -> bool {
    let symbol = match test {
        Test::Symbols(..) | Test::NotSymbol(..) => symbol(value, info),
        _ => None,
    };
    test.passes(value, symbol, &info.patterns)
}

/// Compares two values of an event; where a value is a list, one pair must pass.
fn compare(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Absent, _) | (_, Value::Absent) => false,
        (Value::List(values), right) => values.iter().any(|left| compare(operator, left, right)),
        (left, Value::List(values)) => values.iter().any(|right| compare(operator, left, right)),
        (Value::Str(left), Value::Str(right)) => match operator {
            Operator::Contains => memchr::memmem::find(left.as_bytes(), right.as_bytes()).is_some(),
            Operator::IContains => left
                .to_ascii_lowercase()
                .contains(&right.to_ascii_lowercase()),
            Operator::StartsWith => left.starts_with(right),
            Operator::EndsWith => left.ends_with(right),
            _ => is_ordered(operator, left.cmp(right)),
        },
        (left, right) => match (number_of(left), number_of(right)) {
            (Some(left), Some(right)) => is_ordered(operator, left.cmp(&right)),
            _ => false,
        },
    }
}
