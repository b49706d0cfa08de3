// From a long sequence that fails to a short one that fails as well.
//
// First steps are left out, in ever smaller pieces (Zeller and Hildebrandt, "Simplifying and
// isolating failure-inducing input", 2002), then parts of what the rest of them says.

struct Shrinker {
    /// Whether a sequence fails; each call runs it on new servers.
    let fails: ([Step]) async throws -> Bool
    /// After so many runs the shortest so far is good enough.
    var runs = 200

    /// A sequence out of `steps`, which fail, that fails with nothing more to leave out, if the
    /// runs suffice.
    mutating func shrink(_ steps: [Step]) async throws -> [Step] {
        var steps = steps
        while runs > 0 {
            let before = steps
            steps = try await withSimplerSteps(try await withoutSteps(steps))
            if steps == before { break }
        }
        return steps
    }

    private mutating func stillFails(_ steps: [Step]) async throws -> Bool {
        guard runs > 0 else { return false }
        runs -= 1
        return try await fails(steps)
    }

    private mutating func withoutSteps(_ all: [Step]) async throws -> [Step] {
        var steps = all
        var size = (steps.count + 1) / 2
        while size > 0 {
            var end = steps.count
            // From the end: what is late depends on what is early.
            while end > 0 {
                let start = max(0, end - size)
                var fewer = steps
                fewer.removeSubrange(start..<end)
                if try await stillFails(fewer) { steps = fewer }
                end = start
            }
            size /= 2
        }
        return steps
    }

    private mutating func withSimplerSteps(_ all: [Step]) async throws -> [Step] {
        var steps = all
        for index in steps.indices {
            var place = 0
            while case .call(let method, let request) = steps[index] {
                let candidates = request.simplified
                guard place < candidates.count else { break }
                var simpler = steps
                simpler[index] = .call(method, candidates[place])
                if try await stillFails(simpler) { steps = simpler } else { place += 1 }
            }
        }
        return steps
    }
}

extension Message {
    /// The same message with one field less, at any depth, or a revision nearer to the newest or
    /// the compact one, for which fewer steps must be there; the largest parts go first.
    var simplified: [Message] {
        var simpler: [Message] = []
        for index in fields.indices {
            var rest = self
            rest.fields.remove(at: index)
            simpler.append(rest)
        }
        for index in fields.indices {
            for value in fields[index].value.simplified {
                var rest = self
                rest.fields[index].value = value
                simpler.append(rest)
            }
        }
        return simpler
    }
}

extension Message.Value {
    fileprivate var simplified: [Message.Value] {
        switch self {
        case .message(let message): message.simplified.map { .message($0) }
        case .revision(.newest(let offset)) where offset != 0:
            [.revision(.newest(0)), .revision(.newest(offset / 2))]
        case .revision(.compacted(let offset)) where offset != 0: [.revision(.compacted(0))]
        case .number, .revision, .bytes: []
        }
    }
}
