import Model

/// Which source ports lead to which worker, and which ports the next round of probes uses: a pure value.
///
/// The kernel chooses among the workers' SO_REUSEPORT listeners by a hash of addresses and ports, the same for the same
/// ports as long as the group is the same. So ports are tried until each worker has a few (a port is busy until its
/// probe has ended, and a round starts whether or not earlier ones have), and then kept. An answer by another worker
/// than expected means another group: everything is learned anew.
public struct ProbePorts: Sendable, Equatable {
    /// One probe of a round.
    public struct Choice: Sendable, Hashable {
        /// Its source port.
        public var port: UInt16
        /// The worker it leads to; nil: not known.
        public var worker: Int?
        /// Whether an earlier probe from it was not answered, and no worker is known.
        public var isSuspect = false
        /// Whether it speaks for all: one of the unknown ports of a round does.
        public var isLead = false
    }

    /// Ports of the synthetic pod: nothing else runs there.
    static let first: UInt16 = 20000, count: UInt16 = 20000
    /// Unknown ports that a round tries while not all is known.
    private static let triesPerRound = 4
    /// One round in so many tries an unknown port when all is known.
    private static let idleRounds = 20
    /// Tries without which nothing is said to be known: a worker may be missed by a few.
    private static let triesMin = 32
    private static let suspectsMax = 8
    private static let workersMax = 256

    private let portsPerWorker: Int
    private var owners: [UInt16: Int] = [:]
    private var ports: [Int: [UInt16]] = [:]
    private var suspects: [UInt16] = []
    private var cursor: UInt16
    private var tries = 0
    private var rounds = 0
    private var isAnswered = true
    /// How many workers there are, as far as another source tells.
    public var workerCount = 0

    /// Nothing known. `seed` is where trying begins.
    public init(portsPerWorker: Int, seed: UInt16 = 0) {
        self.portsPerWorker = max(1, portsPerWorker)
        cursor = seed % Self.count
    }

    /// Workers that have answered.
    public var workers: [Int] { ports.keys.sorted() }

    /// Whether each worker has its ports.
    public var isComplete: Bool {
        let known = max(workerCount, (ports.keys.max() ?? -1) + 1)
        return known > 0 && tries >= Self.triesMin
            && (0..<known).allSatisfy { ports[$0]?.count ?? 0 >= portsPerWorker }
    }

    /// The ports of one round; those in `busy` are not used.
    public mutating func round(busy: Set<UInt16>) -> [Choice] {
        rounds &+= 1
        var choices: [Choice] = []
        for (worker, own) in ports.sorted(by: { $0.key < $1.key }) {
            let offset = rounds % own.count
            if let port = (own[offset...] + own[..<offset]).first(where: { !busy.contains($0) }) {
                choices.append(Choice(port: port, worker: worker))
            }
        }
        for port in suspects where !busy.contains(port) {
            choices.append(Choice(port: port, worker: nil, isSuspect: true))
        }
        // While nobody answers one is enough: what nobody takes out fills the listeners' queues.
        var count = isComplete ? (rounds % Self.idleRounds == 0 ? 1 : 0) : (isAnswered ? Self.triesPerRound : 1)
        isAnswered = false
        var isLead = true
        while count > 0, let port = nextUnknown(busy) {
            choices.append(Choice(port: port, worker: nil, isLead: isLead))
            isLead = false
            count -= 1
        }
        return choices
    }

    /// A worker has answered on a port; false when another one was expected: everything has been forgotten.
    public mutating func answered(_ port: UInt16, worker: Int) -> Bool {
        isAnswered = true
        suspects.removeAll { $0 == port }
        guard worker >= 0, worker < Self.workersMax else { return true }
        if let owner = owners[port] {
            if owner == worker { return true }
            forget()
            learn(port, worker)
            return false
        }
        learn(port, worker)
        return true
    }

    /// A port without a known worker was not answered.
    public mutating func unanswered(_ port: UInt16) {
        guard owners[port] == nil, !suspects.contains(port), suspects.count < Self.suspectsMax else { return }
        suspects.append(port)
    }

    /// The group is another one.
    public mutating func forget() {
        owners = [:]
        ports = [:]
        suspects = []
        tries = 0
        isAnswered = true
    }

    private mutating func learn(_ port: UInt16, _ worker: Int) {
        guard ports[worker]?.count ?? 0 < portsPerWorker else { return }
        owners[port] = worker
        ports[worker, default: []].append(port)
    }

    private mutating func nextUnknown(_ busy: Set<UInt16>) -> UInt16? {
        for _ in 0..<Self.count {
            let port = Self.first + cursor
            cursor = (cursor + 1) % Self.count
            if owners[port] == nil, !suspects.contains(port), !busy.contains(port) {
                tries += 1
                return port
            }
        }
        return nil
    }
}
