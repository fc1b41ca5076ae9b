import EventLoop
import HTTP
import Model

/// Client connections that are to begin nothing more: in a drain, at their age, when the tables do not hold for them any
/// more, when nobody uses them. What is under way goes on.
extension Worker {
    /// How long a client may take to answer the first GOAWAY, before the last stream is said without that.
    private static let leaveNanoseconds: Int64 = 1_000_000_000

    /// The connection begins no more streams, or requests. Where there are streams the client is told in two steps, so that
    /// none is lost that is on its way.
    mutating func leave(_ client: SlabReference<ClientSession>, _ handle: SlabHandle) {
        client.value.isClosing = true
        guard let multiplex = client.value.multiplex?.reference, !multiplex.value.isLeaving else { return }
        multiplex.value.isLeaving = true
        collect(forClient: handle)
        // Whoever has said its end has nothing on the way.
        guard !multiplex.value.codec.isGoingAway, !client.value.io.inputEnded else {
            multiplex.value.codec.goAway(.noError, isFinal: true, into: &toClient)
            // It has to read that, too.
            return lowerTimer(client, handle, to: now + Self.leaveUnreadNanoseconds)
        }
        multiplex.value.codec.drain(into: &toClient)
        multiplex.value.leaveBy = now + Self.leaveNanoseconds
        lowerTimer(client, handle, to: multiplex.value.leaveBy)
    }

    /// Nothing more is processed but what has come.
    mutating func sayLast(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        client.value.isClosing = true
        multiplex.value.isLeaving = true
        collect(forClient: handle)
        multiplex.value.codec.goAway(.noError, isFinal: true, into: &toClient)
    }

    /// Whether the request that is being received, or answered, is to be the connection's last.
    func isLeaving(_ client: SlabReference<ClientSession>) -> Bool { isDraining || client.value.expiresAt <= now }

    /// When a connection that begins now is too old: a tenth more or less, so that those who came together do not come
    /// again together.
    mutating func expiry(_ settings: HTTPListenerRecord) -> Int64 {
        let age = settings.maxConnectionAge
        guard age > 0 else { return .max }
        return now + age - age / 10 + Int64(random.next() % UInt64(max(age / 5, 1)))
    }
}
