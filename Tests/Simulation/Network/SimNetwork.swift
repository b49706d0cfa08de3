// The network between members and clients: it delays, and where it is told to, it loses, cuts and
// heals, in one direction or both.
//
// What members and clients use are connections (SimStream), so that all that ships runs: HTTP/2,
// gRPC, peer links. As over TCP a lost packet costs time, and order is kept within a connection,
// while connections overtake each other. Raft promises more than it needs over these: single
// messages between members are lost, repeated and overtaken besides (`carry`).

import API
import TestSupport
import Transport

/// A place on the network: 0 is where the clients are, then the members by their slots.
public typealias SimPlace = Int

public final class SimNetwork: @unchecked Sendable {
    let kernel: SimKernel
    private var counts: RunCounts { kernel.trace.counts }
    private var dice: SplitMix64
    /// Ordered pairs that nothing passes between.
    private var cuts: Set<Direction> = []
    private var stalled: [SimPipe] = []
    private var listeners: [String: Listener] = [:]
    /// Of each life of a place, counted; a place without a number is down.
    private var lives: [SimPlace: Int] = [:]
    private var livesMade = 0

    /// How the network is at present.
    struct Weather {
        /// Nanoseconds one way.
        var delay: ClosedRange<UInt64> = 50_000...1_000_000
        /// In 1000.
        var lost: UInt64 = 0
        var repeated: UInt64 = 0
        /// Sent on a detour of up to 50 ms, in 1000.
        var strayed: UInt64 = 0
    }
    var weather = Weather()

    struct Direction: Hashable {
        let from: SimPlace
        let to: SimPlace
    }

    struct Listener {
        let place: SimPlace
        let executor: SimExecutor
        let isOpen: () -> Bool
        let accept: (any ByteStream) -> Void
    }

    init(_ kernel: SimKernel, seed: UInt64) {
        self.kernel = kernel
        dice = SplitMix64(seed: seed ^ 0x0E7_0E7)
    }

    // MARK: Places

    /// The place is up, in a new life.
    func began(_ place: SimPlace) {
        livesMade += 1
        lives[place] = livesMade
    }

    /// The place is down: nothing listens there, what arrives is lost.
    /// - Parameter tells: whether the machine lives, and so tells the other ends at once.
    func ended(_ place: SimPlace, tells: Bool) {
        lives[place] = nil
        streams.removeAll { $0.isClosed }
        for stream in streams where stream.place == place { stream.die(tells: tells) }
        for (url, listener) in listeners where listener.place == place { listeners[url] = nil }
    }

    func life(of place: SimPlace) -> Int? { lives[place] }

    private var streams: [SimStream] = []

    func opened(_ stream: SimStream) {
        streams.append(stream)
        if streams.count > 256, streams.count.isMultiple(of: 128) {
            streams.removeAll { $0.isClosed }
        }
    }

    /// Nothing holds anything any more.
    func letGo() {
        for stream in streams { stream.die(tells: false) }
        streams = []
        stalled = []
        listeners = [:]
    }

    func listen(
        _ address: String, at place: SimPlace, on executor: SimExecutor,
        isOpen: @escaping () -> Bool = { true }, _ accept: @escaping (any ByteStream) -> Void
    ) {
        listeners[address] = Listener(
            place: place, executor: executor, isOpen: isOpen, accept: accept)
    }

    func listener(at address: String) -> Listener? { listeners[address] }

    // MARK: Cuts

    func cut(_ from: SimPlace, _ to: SimPlace) {
        cuts.insert(Direction(from: from, to: to))
    }

    func heal() {
        cuts = []
        resumeStalled()
    }

    func heal(_ from: SimPlace, _ to: SimPlace) {
        cuts.remove(Direction(from: from, to: to))
        resumeStalled()
    }

    func isCut(_ from: SimPlace, _ to: SimPlace) -> Bool {
        !cuts.isEmpty && cuts.contains(Direction(from: from, to: to))
    }

    private func resumeStalled() {
        let waiting = stalled
        stalled = []
        for pipe in waiting { pipe.resume(after: chance(200_000_000)) }
    }

    func stall(_ pipe: SimPipe) {
        counts.add("seen: connections stalled by cuts")
        stalled.append(pipe)
    }

    // MARK: Chance

    func chance(_ bound: UInt64) -> UInt64 { dice.next() % bound }

    func delay() -> UInt64 {
        weather.delay.lowerBound
            + chance(weather.delay.upperBound - weather.delay.lowerBound + 1)
    }

    /// On a connection a lost packet is sent again after a while.
    func streamDelay() -> UInt64 {
        let delay = delay()
        guard weather.lost > 0, chance(1000) < weather.lost else { return delay }
        return delay + 200_000_000 + chance(200_000_000)
    }

    // MARK: Messages

    /// A message between members, which a connection has brought: `deliver` is called never, once
    /// or twice, in turns of `executor`, of which the present one is the first.
    func carry(
        to place: SimPlace, on executor: SimExecutor, mayRepeat: Bool,
        _ deliver: @escaping () -> Void
    ) {
        if weather.lost > 0, chance(1000) < weather.lost {
            return counts.add("seen: messages lost")
        }
        if weather.strayed > 0, chance(1000) < weather.strayed {
            counts.add("seen: messages overtaken")
            deliverLater(place, executor, deliver)
        } else {
            deliver()
        }
        if mayRepeat, weather.repeated > 0, chance(1000) < weather.repeated {
            counts.add("seen: messages repeated")
            deliverLater(place, executor, deliver)
        }
    }

    private func deliverLater(
        _ place: SimPlace, _ executor: SimExecutor, _ deliver: @escaping () -> Void
    ) {
        let life = lives[place]
        kernel.after(chance(50_000_000)) { [self] in
            if lives[place] == life { executor.add(deliver) }
        }
    }
}

/// What one end of a connection sends to the other: in order, later.
final class SimPipe {
    enum Item {
        case bytes([UInt8])
        case end
        case reset
    }
    private let network: SimNetwork
    let from: SimPlace
    let to: SimPlace
    private var items: [(item: Item, arrival: UInt64)] = []
    private var isMoving = false
    private var isStalled = false
    private let deliver: (Item) -> Void

    init(
        _ network: SimNetwork, from: SimPlace, to: SimPlace, deliver: @escaping (Item) -> Void
    ) {
        self.network = network
        self.from = from
        self.to = to
        self.deliver = deliver
    }

    func send(_ item: Item) {
        let arrival = max(
            items.last?.arrival ?? 0, network.kernel.time + network.streamDelay())
        if case .reset = item { items = [] }
        items.append((item, arrival))
        if !isMoving, !isStalled { move() }
    }

    private func move() {
        guard let first = items.first else { return }
        isMoving = true
        network.kernel.at(first.arrival, .arrival(self))
    }

    /// The first that is under way is there, if nothing is in its way.
    func arrive() {
        isMoving = false
        guard !items.isEmpty else { return }
        if network.isCut(from, to) {
            isStalled = true
            return network.stall(self)
        }
        let item = items.removeFirst().item
        deliver(item)
        move()
    }

    /// The cut is healed: the sender tries again in a while.
    func resume(after nanoseconds: UInt64) {
        isStalled = false
        guard let first = items.first else { return }
        items[0].arrival = max(first.arrival, network.kernel.time + nanoseconds)
        for place in items.indices.dropFirst() {
            items[place].arrival = max(items[place].arrival, items[place - 1].arrival)
        }
        if !isMoving { move() }
    }
}
