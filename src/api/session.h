// One connection: reads requests, has them handled, writes answers, becomes a stream or a console.
//
// Coroutines on the server's io_context (one thread); handlers run on its worker pool. Shows
// Beast: for .cc files only.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <cstddef>
#include <memory>

#include "api/identity.h"
#include "api/limits.h"
#include "api/service.h"

namespace aloft::api {

using LocalStream = boost::beast::basic_stream<boost::asio::local::stream_protocol>;
using TlsStream = boost::beast::ssl_stream<boost::beast::tcp_stream>;

// What all connections share; lives until the last of them is gone.
struct Shared {
  Shared(records::Records& records, Backend& backend, ServiceOptions options)
      : service(records, backend, std::move(options)) {}

  Service service;
  std::size_t connections = 0;  // counted on the io_context's thread
  std::size_t streams = 0;
  boost::asio::thread_pool workers{kWorkerThreads};  // ends before the service does
};

// Serve a connection until it ends. `identity` is whom the peer's credentials show it to be.
boost::asio::awaitable<void> serve_local(std::shared_ptr<Shared> shared, LocalStream stream,
                                         Identity identity);
boost::asio::awaitable<void> serve_tls(std::shared_ptr<Shared> shared, TlsStream stream);

}  // namespace aloft::api
