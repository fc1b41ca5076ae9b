import Testing

@testable import EventLoop

private let tick: Int64 = 4_000_000

/// SplitMix64.
struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// The wheel against the obvious: a list of deadlines.
@Suite struct TimerWheelTests {
    @Test(arguments: [UInt64.random(in: 0...UInt64.max), 1, 2, 3])
    func firesLikeAList(seed: UInt64) {
        var random = Generator(state: seed)
        var now = Int64.random(in: 0...(1 << 40), using: &random)
        var wheel = TimerWheel(now: now)
        var model: [UInt64: (deadline: Int64, timer: TimerWheel.Timer)] = [:]
        var payload: UInt64 = 0
        for step in 0..<4000 {
            let reach: [Int64] = [0, 1, 60, 300, 5000, 300_000, 20_000_000]
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let deadline =
                    now + Int64.random(in: -tick...(reach.randomElement(using: &random) ?? 0) * tick, using: &random)
                payload += 1
                // One in the past is due now.
                model[payload] = (max(deadline, now), wheel.set(deadline, payload: payload))
            case 5:
                guard let key = model.keys.sorted().randomElement(using: &random) else { continue }
                wheel.cancel(model[key]?.timer ?? .none)
                model[key] = nil
            default:
                // As the event loop does, or late.
                let delay = wheel.delay(from: now)
                #expect((delay == nil) == model.isEmpty, "seed \(seed) step \(step)")
                let wanted = min(delay ?? 0, Int64.random(in: 0...200 * tick, using: &random))
                let late = Int.random(in: 0..<20, using: &random) == 0 ? 900 * tick : 0
                now += wanted + late
                while let fired = wheel.expire(now) {
                    let entry = model.removeValue(forKey: fired)
                    #expect(entry != nil, "seed \(seed) step \(step): fired twice, or after it was cancelled")
                    #expect((entry?.deadline ?? 0) <= now, "seed \(seed) step \(step): early")
                }
                let overdue = model.values.filter { $0.deadline + tick < now - late }
                #expect(overdue.isEmpty, "seed \(seed) step \(step): late by more than a tick")
            }
        }
        // Everything that is left fires, in order, when the wheel is asked only as often as it says.
        var last = now
        while !model.isEmpty, let delay = wheel.delay(from: now) {
            now += delay
            while let fired = wheel.expire(now) {
                guard let entry = model.removeValue(forKey: fired) else { Issue.record("seed \(seed)"); continue }
                let due = max(entry.deadline, last)
                #expect(entry.deadline <= now && now - due <= tick, "seed \(seed): off by \(now - due) ns")
            }
            last = now
        }
        #expect(model.isEmpty && wheel.delay(from: now) == nil, "seed \(seed)")
    }

    @Test func theFarthestDeadlinesNeitherTrapNorFireEarly() {
        var wheel = TimerWheel(now: 5 * tick)
        _ = wheel.set(.max, payload: 1)
        // A hundred days, twice the wheel's reach.
        let far: Int64 = 100 * 86_400 * 1_000_000_000
        _ = wheel.set(far, payload: 2)
        _ = wheel.set(.min, payload: 3)
        #expect(wheel.expire(6 * tick) == 3)
        var now = 6 * tick
        var turns = 0
        while let delay = wheel.delay(from: now), turns < 1000 {
            turns += 1
            now += delay
            guard let fired = wheel.expire(now) else { continue }
            #expect(fired == 2 && now >= far && now - far <= tick)
            break
        }
        #expect(turns < 1000, "a far timer is brought nearer in few steps")
    }

    @Test func aCancelledTimerNeverFires() {
        var wheel = TimerWheel(now: 0)
        let timers = (0..<1000).map { wheel.set(Int64($0 * $0) * tick, payload: UInt64($0)) }
        for (index, timer) in timers.enumerated() where index.isMultiple(of: 2) { wheel.cancel(timer) }
        wheel.cancel(.none)
        var fired: [UInt64] = []
        while let delay = wheel.delay(from: Int64(fired.last.map { $0 * $0 } ?? 0) * tick) {
            let now = Int64(fired.last.map { $0 * $0 } ?? 0) * tick + delay
            guard let payload = wheel.expire(now) else {
                // The step brought timers nearer.
                var later = now
                while let more = wheel.delay(from: later) {
                    later += more
                    guard let payload = wheel.expire(later) else { continue }
                    fired.append(payload)
                    break
                }
                continue
            }
            fired.append(payload)
        }
        #expect(fired == (0..<1000).filter { !$0.isMultiple(of: 2) }.map(UInt64.init))
    }
}
