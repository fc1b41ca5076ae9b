import Model
import Testing

@testable import Failover

/// The kernel's choice among listeners: some hash of the port, other for each group.
private struct Group {
    var workers: Int
    var salt: UInt64

    func worker(_ port: UInt16) -> Int {
        var random = SeededRandom(seed: salt ^ UInt64(port))
        return Int(random.next() % UInt64(workers))
    }
}

struct ProbePortsTests {
    /// Rounds in which every probe is answered before the next; how many it took to know all workers.
    private func learn(_ ports: inout ProbePorts, _ group: Group) -> Int {
        for round in 1...500 {
            for choice in ports.round(busy: []) { _ = ports.answered(choice.port, worker: group.worker(choice.port)) }
            if ports.isComplete { return round }
        }
        return .max
    }

    @Test(arguments: [1, 2, 4, 16, 64], [0, 1, 2] as [UInt64]) func everyWorkerIsFound(workers: Int, salt: UInt64) {
        var ports = ProbePorts(portsPerWorker: 5, seed: UInt16(salt * 1000))
        ports.workerCount = workers
        let rounds = learn(&ports, Group(workers: workers, salt: salt))
        #expect(rounds <= 20 + 10 * workers, "\(rounds) rounds")
        #expect(ports.workers == Array(0..<workers))
    }

    @Test func eachRoundAsksEachWorkerOnceThoughProbesAreStillUnderWay() {
        let group = Group(workers: 4, salt: 7)
        var ports = ProbePorts(portsPerWorker: 5)
        ports.workerCount = 4
        _ = learn(&ports, group)
        var underWay: [[UInt16]] = []
        for round in 0..<50 {
            let busy = Set(underWay.flatMap(\.self))
            let choices = ports.round(busy: busy)
            #expect(Set(choices.compactMap(\.worker)) == [0, 1, 2, 3], "round \(round)")
            for choice in choices {
                #expect(!busy.contains(choice.port))
                if let worker = choice.worker { #expect(worker == group.worker(choice.port)) }
            }
            underWay.append(choices.map(\.port))
            // A timeout of three intervals.
            if underWay.count > 3 { underWay.removeFirst() }
        }
    }

    @Test func anotherGroupIsLearnedAnew() {
        var ports = ProbePorts(portsPerWorker: 3)
        _ = learn(&ports, Group(workers: 2, salt: 1))
        let other = Group(workers: 3, salt: 2)
        var isNoticed = false
        for _ in 0..<20 where !isNoticed {
            for choice in ports.round(busy: []) {
                isNoticed = !ports.answered(choice.port, worker: other.worker(choice.port)) || isNoticed
            }
        }
        #expect(isNoticed)
        ports.workerCount = 3
        #expect(learn(&ports, other) < 60 && ports.workers == [0, 1, 2])
    }

    /// A worker that hangs from the start has no answer by which it could be known: its ports are asked again.
    @Test func portsThatAreNotAnsweredAreAskedAgain() {
        let group = Group(workers: 2, salt: 3)
        var ports = ProbePorts(portsPerWorker: 2)
        ports.workerCount = 2
        var asked: [UInt16: Int] = [:]
        for _ in 0..<20 {
            for choice in ports.round(busy: []) {
                if group.worker(choice.port) == 0 {
                    _ = ports.answered(choice.port, worker: 0)
                } else {
                    ports.unanswered(choice.port)
                    if choice.isSuspect { asked[choice.port, default: 0] += 1 }
                }
            }
        }
        #expect(asked.values.contains { $0 >= 10 }, "\(asked)")
        #expect(!ports.isComplete && ports.workers == [0])
    }

    @Test func hostileAnswersAreNoWorkers() {
        var ports = ProbePorts(portsPerWorker: 2)
        for worker in [-1, .max, 256] {
            let isExpected = ports.answered(20001, worker: worker)
            #expect(isExpected)
        }
        #expect(ports.workers.isEmpty)
    }
}
