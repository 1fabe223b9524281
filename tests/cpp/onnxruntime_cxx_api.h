// The part of ONNX Runtime's C++ header that examples/cpp uses, for tests on machines without it.
//
// No package of Python, Node.js or Debian 12 brings that header, but the wheel of onnxruntime brings
// the library itself, with the C interface under it: one table of functions whose order never
// changes, since new ones are only put at its end. This declares the same classes over that table,
// so that the example is compiled, linked and run against the real library. It is a test's
// stand-in, not a replacement: build the example itself with the header of a release.

#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

extern "C" {
struct OrtApiBase {
  const void* const* (*GetApi)(std::uint32_t version);
  const char* (*GetVersionString)();
};
const OrtApiBase* OrtGetApiBase();
}

enum OrtLoggingLevel { ORT_LOGGING_LEVEL_ERROR = 3 };
enum OrtAllocatorType { OrtArenaAllocator = 1 };
enum OrtMemType { OrtMemTypeDefault = 0 };

namespace Ort {

namespace detail {

// Where a function stands in the table.
enum Place : std::size_t {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kDisableTelemetryEvents = 6,
  kCreateSession = 7,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetIntraOpNumThreads = 24,
  kCreateTensorWithDataAsOrtValue = 49,
  kGetTensorMutableData = 51,
  kGetTensorShapeElementCount = 64,
  kGetTensorTypeAndShape = 65,
  kCreateCpuMemoryInfo = 69,
  kReleaseEnv = 92,
  kReleaseStatus = 93,
  kReleaseMemoryInfo = 94,
  kReleaseSession = 95,
  kReleaseValue = 96,
  kReleaseTensorTypeAndShapeInfo = 99,
  kReleaseSessionOptions = 100,
};

template <typename Function>
Function At(Place place) {
  static const void* const* const table = OrtGetApiBase()->GetApi(1);
  return reinterpret_cast<Function>(const_cast<void*>(table[place]));
}

// Calls a function that gives a status, and throws what the status says.
template <typename... Arguments>
void Call(Place place, Arguments... arguments) {
  void* const status = At<void* (*)(Arguments...)>(place)(arguments...);
  if (status == nullptr) return;
  const std::string message = At<const char* (*)(const void*)>(kGetErrorMessage)(status);
  At<void (*)(void*)>(kReleaseStatus)(status);
  throw std::runtime_error(message);
}

// Something of the library's that is released once.
template <Place kRelease>
class Owned {
 public:
  Owned() = default;
  Owned(Owned&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Owned& operator=(Owned&&) = delete;
  ~Owned() {
    if (held_ != nullptr) At<void (*)(void*)>(kRelease)(held_);
  }
  void* held() const { return held_; }

 protected:
  void* held_ = nullptr;
};

}  // namespace detail

struct Env : detail::Owned<detail::kReleaseEnv> {
  Env(OrtLoggingLevel level, const char* name) {
    detail::Call(detail::kCreateEnv, static_cast<int>(level), name, &held_);
  }
  void DisableTelemetryEvents() { detail::Call(detail::kDisableTelemetryEvents, held_); }
};

struct SessionOptions : detail::Owned<detail::kReleaseSessionOptions> {
  SessionOptions() { detail::Call(detail::kCreateSessionOptions, &held_); }
  void SetIntraOpNumThreads(int threads) {
    detail::Call(detail::kSetIntraOpNumThreads, held_, threads);
  }
};

struct RunOptions {
  explicit RunOptions(std::nullptr_t) {}
};

struct MemoryInfo : detail::Owned<detail::kReleaseMemoryInfo> {
  static MemoryInfo CreateCpu(OrtAllocatorType allocator, OrtMemType memory) {
    MemoryInfo made;
    detail::Call(detail::kCreateCpuMemoryInfo, static_cast<int>(allocator),
                 static_cast<int>(memory), &made.held_);
    return made;
  }
};

struct TensorTypeAndShapeInfo : detail::Owned<detail::kReleaseTensorTypeAndShapeInfo> {
  explicit TensorTypeAndShapeInfo(const void* value) {
    detail::Call(detail::kGetTensorTypeAndShape, value, &held_);
  }
  std::size_t GetElementCount() const {
    std::size_t count = 0;
    detail::Call(detail::kGetTensorShapeElementCount, static_cast<const void*>(held_), &count);
    return count;
  }
};

struct Value : detail::Owned<detail::kReleaseValue> {
  Value() = default;
  explicit Value(void* value) { held_ = value; }

  template <typename Number>
  static Value CreateTensor(const MemoryInfo& memory, Number* data, std::size_t count,
                            const std::int64_t* shape, std::size_t dimensions) {
    static_assert(sizeof(Number) == 4, "floats alone");
    constexpr int kFloat = 1;
    Value made;
    detail::Call(detail::kCreateTensorWithDataAsOrtValue, static_cast<const void*>(memory.held()),
                 static_cast<void*>(data), count * sizeof(Number), shape, dimensions, kFloat,
                 &made.held_);
    return made;
  }
  TensorTypeAndShapeInfo GetTensorTypeAndShapeInfo() const { return TensorTypeAndShapeInfo(held_); }
  template <typename Number>
  const Number* GetTensorData() const {
    void* data = nullptr;
    detail::Call(detail::kGetTensorMutableData, held_, &data);
    return static_cast<const Number*>(data);
  }
};

struct Session : detail::Owned<detail::kReleaseSession> {
  Session(const Env& environment, const char* path, const SessionOptions& options) {
    detail::Call(detail::kCreateSession, static_cast<const void*>(environment.held()), path,
                 static_cast<const void*>(options.held()), &held_);
  }
  std::vector<Value> Run(const RunOptions&, const char* const* inputs, const Value* values,
                         std::size_t input_count, const char* const* outputs,
                         std::size_t output_count) {
    std::vector<const void*> given;
    for (std::size_t i = 0; i < input_count; ++i) given.push_back(values[i].held());
    std::vector<void*> found(output_count, nullptr);
    detail::Call(detail::kRun, held_, static_cast<const void*>(nullptr), inputs,
                 static_cast<const void* const*>(given.data()), input_count, outputs, output_count,
                 found.data());
    std::vector<Value> answers;
    for (void* const value : found) answers.emplace_back(value);
    return answers;
  }
};

}  // namespace Ort
