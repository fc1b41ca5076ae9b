import Model
import Syscalls

/// A listener that cannot be opened.
public struct ListenFailure: Error, CustomStringConvertible {
    /// Its name and address.
    public let name: String, address: SocketAddress
    /// What the kernel said.
    public let errno: Errno

    /// `listener web: 127.0.0.1:80: permission denied (13): ...`
    public var description: String {
        let hint =
            switch errno {
            case .addressInUse: ": another process listens there; stop it or change the port"
            case .notPermitted, .accessDenied: ": interception and ports below 1024 need CAP_NET_ADMIN or root"
            case .addressNotAvailable: ": no interface of this host has that address"
            default: ""
            }
        return "listener \(name): \(address): \(errno)\(hint)"
    }
}

extension ProxyServer {
    /// Sockets that listen, but have not been given to the workers: closed if they never are.
    struct OpenedListeners {
        var listeners: [OpenListener] = []
        /// A parcel for each worker, by listener.
        var parcels: [[ListenerParcel]] = []
    }

    /// Opens what the newest snapshot asks for. From here on the process serves.
    public func openListeners() throws(ListenFailure) {
        let snapshot = state.withLock { $0.generation.snapshot }
        start(try open(missing: snapshot))
        state.withLock { state in
            if state.phase == .starting { state.phase = .serving }
        }
    }

    /// Opens what `snapshot` asks for and is not open yet: all or nothing; explicit listeners first, the interception
    /// ones last, because from then on the host's rules send traffic here. An IPv6 interception listener is left out
    /// on a host without IPv6.
    func open(missing snapshot: Snapshot) throws(ListenFailure) -> OpenedListeners {
        let known = Set(state.withLock { $0.listeners.map(\.spec) })
        var opened = OpenedListeners()
        guard phase != .draining, phase != .stopped else { return opened }
        for spec in Self.specs(snapshot) where !known.contains(spec) {
            do throws(Errno) {
                let (bound, group) = try openGroup(spec)
                opened.listeners.append(OpenListener(spec: spec, bound: bound))
                opened.parcels.append(group)
            } catch {
                let isMissingFamily = error == .familyNotSupported || error == .addressNotAvailable
                if spec.isTransparent, !spec.address.address.isV4, isMissingFamily { continue }
                throw ListenFailure(
                    name: names.name(.listener, spec.slot) ?? "?", address: spec.address, errno: error)
            }
        }
        return opened
    }

    /// Gives opened listeners to the workers.
    func start(_ opened: OpenedListeners) {
        for group in opened.parcels {
            for (context, parcel) in zip(contexts, group) { context.mailbox.send(.listen(parcel)) }
        }
        state.withLock { state in
            // A drain that began meanwhile makes the workers drop the parcels.
            if state.phase == .starting || state.phase == .serving { state.listeners += opened.listeners }
        }
    }

    /// Closes explicit listeners that `snapshot` does not have.
    func closeListeners(missingIn snapshot: Snapshot) {
        let wanted = Set(Self.specs(snapshot))
        let gone = state.withLock { state in
            let gone = state.listeners.filter { $0.spec.direction == .listener && !wanted.contains($0.spec) }
            state.listeners.removeAll { listener in gone.contains { $0.spec == listener.spec } }
            return gone
        }
        for listener in gone {
            for context in contexts { context.mailbox.send(.close(listener.spec)) }
        }
    }

    /// Handshakes under way when the gate closes have this long to end up in a queue.
    static let drainGrace: Int64 = 1_000_000_000

    /// `gated`: puts gates in front of the interception listeners; not when the next generation of the process has its
    /// listeners in the same groups and takes all new connections.
    func drain(gated: Bool) {
        let listeners = state.withLock { state -> [OpenListener] in
            if [.starting, .serving, .leaving].contains(state.phase) { state.phase = .draining }
            defer { state.listeners = [] }
            return state.listeners
        }
        let closing = ClosingListeners(workers: contexts.count)
        for listener in listeners where gated && listener.spec.isTransparent {
            // Without a gate the kernel spreads SYNs over listeners that are about to close: as good as it gets.
            guard let gate = try? Gate.open(listener.bound, members: contexts.count) else { continue }
            closing.keep(gate: gate)
        }
        for context in contexts {
            context.mailbox.send(.drain(grace: gated ? Self.drainGrace : 0, closing))
        }
    }

    private static func specs(_ snapshot: Snapshot) -> [ListenerSpec] {
        let explicit = snapshot.listeners.map { listener in
            ListenerSpec(direction: .listener, address: listener.address, slot: listener.slot)
        }
        guard let interception = snapshot.configuration.interception else { return explicit }
        return explicit
            + [IPAddress.loopbackV4, .loopbackV6].flatMap { address in
                [
                    ListenerSpec(
                        direction: .inbound, address: SocketAddress(address, interception.inboundPort),
                        slot: Snapshot.inboundListenerSlot),
                    ListenerSpec(
                        direction: .outbound, address: SocketAddress(address, interception.outboundPort),
                        slot: Snapshot.outboundListenerSlot),
                ]
            }
    }

    /// One socket for each worker; the kernel spreads connections over them.
    private func openGroup(_ spec: ListenerSpec) throws(Errno) -> (SocketAddress, [ListenerParcel]) {
        let options = contexts[0].settings.options
        let first = try ListeningSocket.open(spec, options: options)
        let bound = first.bound
        var group = [ListenerParcel(first)]
        // With port 0 the others join the first one's port, under the same spec.
        let again = ListenerSpec(direction: spec.direction, address: bound, slot: spec.slot)
        for _ in contexts.dropFirst() {
            group.append(ListenerParcel(try ListeningSocket.open(again, as: spec, options: options)))
        }
        return (bound, group)
    }
}
