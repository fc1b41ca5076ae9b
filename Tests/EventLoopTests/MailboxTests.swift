import Syscalls
import Testing

@testable import EventLoop

@Suite(.timeLimit(.minutes(1))) struct MailboxTests {
    @Test func everyMessageArrivesOnceInTheSendersOrder() throws {
        let mailbox = try Mailbox<(sender: Int, number: Int)>()
        var poller = try Poller()
        try poller.add(mailbox.wakeup.descriptor, token: 7, writing: false)
        let (senders, each) = (8, 5000)
        let threads = try (0..<senders).map { sender in
            try Thread(name: "sender-\(sender)") {
                for number in 0..<each { mailbox.send((sender, number)) }
            }
        }
        var next = Array(repeating: 0, count: senders)
        while next != Array(repeating: each, count: senders) {
            // As a worker: looks only when woken. A lost wake-up would end here.
            let count = poller.wait(milliseconds: 10_000)
            guard count == 1, poller.event(0).token == 7 else {
                Issue.record("not woken: \(next)")
                break
            }
            for message in mailbox.takeAll() {
                #expect(message.number == next[message.sender])
                next[message.sender] = message.number + 1
            }
        }
        for thread in threads { thread.join() }
        #expect(mailbox.takeAll().isEmpty)
    }
}
