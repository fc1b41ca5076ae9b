import Model
import Synchronization
import Syscalls

/// The guard's own thread, seen from outside: orders in, events and a view out. It depends on nothing that could hang
/// with the proxy, and waits for nothing but its poller.
final class GuardThread: Sendable {
    /// What it has to tell. One reader.
    let events: AsyncStream<GuardEvent>
    private let tell: AsyncStream<GuardEvent>.Continuation
    private let orders = Mutex<[GuardOrder]>([])
    private let wake: EventCounter
    private let latest: Mutex<GuardView>
    private let machine: FailoverMachine

    /// Nothing runs yet.
    init(_ machine: FailoverMachine) throws(Errno) {
        (events, tell) = AsyncStream.makeStream()
        wake = try EventCounter()
        latest = Mutex(GuardView(machine: machine))
        self.machine = machine
    }

    /// Starts the thread.
    func start(_ landmarks: Landmarks, families: [IPAddress.Family]) throws(Errno) {
        try Thread(name: "guard") { [self] in
            do throws(Errno) {
                try GuardLoop(self, machine, landmarks, families).run()
            } catch {
                tell.yield(.note(.critical, "the guard's thread cannot work: \(error)", [:]))
            }
            tell.finish()
        }.detach()
    }

    /// Gives an order; it is taken up at once.
    func send(_ order: GuardOrder) {
        orders.withLock { $0.append(order) }
        wake.signal()
    }

    /// What it knows.
    var view: GuardView { latest.withLock { $0 } }

    // MARK: for the thread itself

    func takeOrders() -> [GuardOrder] {
        wake.clear()
        return orders.withLock { orders in
            let taken = orders
            orders = []
            return taken
        }
    }

    func publish(_ view: GuardView) { latest.withLock { $0 = view } }

    /// There will be no more events: the guard ends.
    func finish() { tell.finish() }

    func report(_ event: GuardEvent) { tell.yield(event) }

    func register(with poller: borrowing Poller, token: UInt64) throws(Errno) {
        try poller.add(wake.descriptor, token: token, writing: false)
    }
}
