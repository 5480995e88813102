// SPDX-License-Identifier: Apache-2.0
// The bodies of Asio and Beast for the test form, whose units see declarations only (BOOST_ASIO_SEPARATE_COMPILATION
// in cmake/Modules.cmake).
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
