// SPDX-License-Identifier: Apache-2.0
// SIGINT, SIGTERM, SIGHUP and SIGQUIT as calls on a thread of their own; and SIGWINCH, apart, which ends nothing.
#pragma once

#include <functional>
#include <mutex>
#include <thread>

namespace sandboxkit::cli {

// One a process. Signals are caught, not blocked: what the engine starts would inherit a blocked one.
class Signals {
public:
    using Handler = std::function<void(int)>;

    Signals();
    ~Signals();
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    // While it lives, signals go to the handler, on the thread of this object. Without one they end the process.
    class Scope {
    public:
        Scope(Signals& signals, Handler handler);
        ~Scope();
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

    private:
        Signals& signals_;
        Handler before_;
    };

    // Called when the size of the terminal has changed; null: nobody. Returns when the one before does not run.
    void on_resize(std::function<void()> resized);

    // The last one caught, 0 when there was none.
    [[nodiscard]] int last() const;

private:
    void run();

    mutable std::mutex mutex_; // held while a handler runs: a Scope ends only when its handler does not run
    Handler handler_;
    std::function<void()> resized_;
    int last_ = 0;
    int pipe_ = -1;
    std::thread thread_;
};

} // namespace sandboxkit::cli
