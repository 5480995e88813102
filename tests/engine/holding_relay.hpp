// SPDX-License-Identifier: Apache-2.0
// Stands between an engine and a guest, and can keep the guest's answer to itself, or break what is open.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <poll.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sandboxkit::test {

class HoldingRelay {
public:
    HoldingRelay() {
        std::string directory = (std::filesystem::temp_directory_path() / "sandboxkit-relay-XXXXXX").string();
        if (::mkdtemp(directory.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        directory_ = directory;
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const auto address = address_of(directory_ / "s");
        if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_, 16) != 0)
            throw std::runtime_error("the relay cannot listen");
        threads_.emplace_back([this] { accept_all(); });
    }
    ~HoldingRelay() {
        ::shutdown(listener_, SHUT_RDWR);
        threads_.front().join();
        {
            std::lock_guard lock(mutex_);
            for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
        }
        for (std::size_t i = 1; i < threads_.size(); ++i) threads_[i].join();
        ::close(listener_);
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
    HoldingRelay(const HoldingRelay&) = delete;
    HoldingRelay& operator=(const HoldingRelay&) = delete;

    // Where to connect instead of to `guest`. Of the latest guest.
    std::filesystem::path to(const std::filesystem::path& guest) {
        std::lock_guard lock(mutex_);
        guest_ = guest;
        return directory_ / "s";
    }
    // The next request with this text is passed on, and its answer is not.
    void hold_answer_to(std::string text) {
        std::lock_guard lock(mutex_);
        held_ = std::move(text);
    }
    void wait_for_answer() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return answered_; });
    }

    // All that is open now; new connections are served.
    void break_connections() {
        std::lock_guard lock(mutex_);
        for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }

private:
    static sockaddr_un address_of(const std::filesystem::path& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.string().copy(address.sun_path, sizeof address.sun_path - 1);
        return address;
    }
    void accept_all() {
        for (;;) {
            const int from = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (from < 0) return;
            const int to = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            std::lock_guard lock(mutex_);
            const auto address = address_of(guest_);
            (void)::connect(to, reinterpret_cast<const sockaddr*>(&address), sizeof address);
            open_.insert({from, to});
            threads_.emplace_back([this, from, to] { relay(from, to); });
        }
    }
    void relay(int from, int to) {
        bool holding = false;
        char bytes[65536];
        for (bool open = true; open;) {
            pollfd both[] = {{from, POLLIN, 0}, {to, POLLIN, 0}};
            ::poll(both, 2, -1);
            for (const auto& ready : both) {
                if (!open || ready.revents == 0) continue;
                const ssize_t n = ::read(ready.fd, bytes, sizeof bytes);
                open = n > 0;
                if (!open) continue;
                if (ready.fd == from) {
                    if (is_held({bytes, static_cast<std::size_t>(n)})) holding = true;
                    (void)!::send(to, bytes, static_cast<std::size_t>(n), MSG_NOSIGNAL);
                } else if (holding) {
                    tell_answered();
                } else {
                    (void)!::send(from, bytes, static_cast<std::size_t>(n), MSG_NOSIGNAL);
                }
            }
        }
        std::lock_guard lock(mutex_);
        for (const int fd : {from, to}) {
            open_.erase(fd);
            ::close(fd);
        }
    }
    bool is_held(std::string_view request) {
        std::lock_guard lock(mutex_);
        if (held_.empty() || request.find(held_) == std::string_view::npos) return false;
        held_.clear();
        return true;
    }
    void tell_answered() {
        std::lock_guard lock(mutex_);
        answered_ = true;
        changed_.notify_all();
    }

    std::filesystem::path directory_, guest_;
    int listener_ = -1;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string held_;
    bool answered_ = false;
    std::set<int> open_;
    std::vector<std::thread> threads_; // the first accepts, and makes the others
};

} // namespace sandboxkit::test
