// SPDX-License-Identifier: Apache-2.0
// One use of a prepared statement.
#pragma once

#include "store/column.hpp"

#include <soci/soci.h>

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace sandboxkit::store {

// Values are bound by position, in the order they are given. Ends with the object: until then the connection's read
// snapshot stays open, so keep it to a full expression or a small block. One thread.
class Statement {
public:
    // `prepared` outlives this object and is in no other use.
    explicit Statement(soci::statement& prepared) : prepared_(prepared) {}
    ~Statement();
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    template <class... T>
    Statement& with(const T&... values) {
        (bind(values), ...);
        return *this;
    }
    template <class... T>
    Statement& into(T&... targets) {
        (define(targets), ...);
        return *this;
    }
    // Executes at the first call; then fetches. False: no (further) row. Throws soci::soci_error or BadRow.
    bool step();
    void run() { step(); }
    // Rows that run() inserted, updated or deleted.
    [[nodiscard]] long long affected() { return prepared_.get_affected_rows(); }

private:
    struct Slot { // SOCI keeps the addresses
        std::string text;
        long long number = 0;
        soci::indicator indicator = soci::i_ok;
        std::function<void(const Slot&)> take; // of an output
    };

    template <class Wire, class S>
    static auto& wire(S& slot) {
        if constexpr (std::is_same_v<Wire, std::string>)
            return (slot.text);
        else
            return (slot.number);
    }

    template <class T>
    void bind(const T& value) {
        using Wire = typename Column<T>::Wire;
        Slot& slot = slots_.emplace_back();
        wire<Wire>(slot) = Column<T>::to(value);
        prepared_.exchange(soci::use(wire<Wire>(slot), slot.indicator));
    }
    template <class T>
    void bind(const std::optional<T>& value) {
        using Wire = typename Column<T>::Wire;
        Slot& slot = slots_.emplace_back();
        if (value)
            wire<Wire>(slot) = Column<T>::to(*value);
        else
            slot.indicator = soci::i_null;
        prepared_.exchange(soci::use(wire<Wire>(slot), slot.indicator));
    }
    template <class T>
    void define(T& target) {
        using Wire = typename Column<T>::Wire;
        Slot& slot = slots_.emplace_back();
        slot.take = [&target](const Slot& s) {
            if (s.indicator == soci::i_null) throw BadRow("a value is missing");
            target = Column<T>::from(wire<Wire>(s));
        };
        prepared_.exchange(soci::into(wire<Wire>(slot), slot.indicator));
    }
    template <class T>
    void define(std::optional<T>& target) {
        using Wire = typename Column<T>::Wire;
        Slot& slot = slots_.emplace_back();
        slot.take = [&target](const Slot& s) {
            if (s.indicator == soci::i_null)
                target.reset();
            else
                target = Column<T>::from(wire<Wire>(s));
        };
        prepared_.exchange(soci::into(wire<Wire>(slot), slot.indicator));
    }

    soci::statement& prepared_;
    std::deque<Slot> slots_;
    bool executed_ = false;
};

} // namespace sandboxkit::store
