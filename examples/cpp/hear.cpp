// Names the emotion in a WAV file with a model of emotone, in C++17 and ONNX Runtime alone.
//
//     hear MODEL.onnx CLIP.wav
//
// MODEL.onnx is from `emotone models export default FOLDER`. The clip has 16 kHz, which
// `ffmpeg -i any.mp3 -ar 16000 -ac 1 clip.wav` makes of anything. What is done to the sound is what
// the model's card.json says under "preparation": silence is cut off both ends, 40 dB below the
// loudest frame, and the peak is brought to 1.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include <onnxruntime_cxx_api.h>

namespace {

// From card.json of the default model.
const char* const kEmotions[] = {"neutral", "calm",    "happy",   "sad",
                                 "angry",   "fearful", "disgust", "surprised"};
constexpr std::size_t kEmotionCount = std::size(kEmotions);
constexpr std::uint32_t kRate = 16000;
constexpr double kTrimDb = 40.0;

// A frame of 2048 samples every 512, as in librosa.effects.trim.
constexpr std::size_t kFrame = 2048;
constexpr std::size_t kHop = 512;

template <typename Number>
Number Read(const std::vector<char>& bytes, std::size_t at) {
  if (at + sizeof(Number) > bytes.size()) throw std::runtime_error("the file ends too early");
  Number number;
  std::memcpy(&number, bytes.data() + at, sizeof number);  // RIFF is little-endian, as most machines
  return number;
}

// The mean of all channels of a WAV of 16-bit integers or 32-bit floats, from -1 to 1.
std::vector<float> ReadWav(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("it cannot be opened");
  const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
  if (bytes.size() < 12 || std::memcmp(bytes.data(), "RIFF", 4) != 0 ||
      std::memcmp(bytes.data() + 8, "WAVE", 4) != 0) {
    throw std::runtime_error("it is no WAV file");
  }
  std::uint16_t format = 0, channels = 0, bits = 0;
  for (std::size_t at = 12; at + 8 <= bytes.size();) {
    const std::string name(bytes.data() + at, 4);
    const std::size_t length = Read<std::uint32_t>(bytes, at + 4);
    const std::size_t start = at + 8;
    if (name == "fmt ") {
      format = Read<std::uint16_t>(bytes, start);
      channels = Read<std::uint16_t>(bytes, start + 2);
      if (Read<std::uint32_t>(bytes, start + 4) != kRate) {
        throw std::runtime_error("it is not at 16 kHz: ffmpeg -i IN -ar 16000 -ac 1 OUT.wav");
      }
      bits = Read<std::uint16_t>(bytes, start + 14);
      if (format == 0xFFFE) format = Read<std::uint16_t>(bytes, start + 24);  // extensible
    } else if (name == "data") {
      const bool integers = format == 1 && bits == 16;
      if (channels == 0 || !(integers || (format == 3 && bits == 32))) {
        throw std::runtime_error("it has neither 16-bit integers nor 32-bit floats");
      }
      const std::size_t held = std::min(length, bytes.size() - start);
      const std::size_t frames = held / (channels * (bits / 8));
      std::vector<float> samples(frames);
      for (std::size_t i = 0; i < frames * channels; ++i) {
        const float value = integers ? Read<std::int16_t>(bytes, start + 2 * i) / 32768.0f
                                     : Read<float>(bytes, start + 4 * i);
        samples[i / channels] += value / channels;
      }
      return samples;
    }
    at = start + length + (length & 1);  // chunks begin at even places
  }
  throw std::runtime_error("it holds no sound");
}

// Without the silence at both ends.
std::vector<float> Trimmed(const std::vector<float>& samples) {
  std::vector<double> energy(samples.size() + 1, 0.0);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    energy[i + 1] = energy[i] + static_cast<double>(samples[i]) * samples[i];
  }
  std::vector<double> power;
  for (std::size_t middle = 0; middle <= samples.size(); middle += kHop) {
    const std::size_t end = std::min(middle + kFrame / 2, samples.size());
    power.push_back(energy[end] - energy[middle > kFrame / 2 ? middle - kFrame / 2 : 0]);
  }
  const double least =
      *std::max_element(power.begin(), power.end()) * std::pow(10.0, -kTrimDb / 10);
  const auto loud = [least](double value) { return value > least; };
  const auto first = std::find_if(power.begin(), power.end(), loud);
  if (first == power.end()) return samples;
  const auto last = std::find_if(power.rbegin(), power.rend(), loud).base();  // one past it
  const std::size_t from = kHop * static_cast<std::size_t>(first - power.begin());
  const std::size_t to = kHop * static_cast<std::size_t>(last - power.begin());
  return {samples.begin() + static_cast<std::ptrdiff_t>(from),
          samples.begin() + static_cast<std::ptrdiff_t>(std::min(to, samples.size()))};
}

void BringToFullScale(std::vector<float>& samples) {
  float peak = 0;
  for (const float value : samples) peak = std::max(peak, std::fabs(value));
  if (peak > 0) {
    for (float& value : samples) value /= peak;
  }
}

#ifdef _WIN32
std::wstring ModelPath(const std::string& path) { return {path.begin(), path.end()}; }
#else
std::string ModelPath(const std::string& path) { return path; }
#endif

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: hear MODEL.onnx CLIP.wav\n");
    return 2;
  }
  std::vector<float> samples;
  try {
    samples = ReadWav(arguments[2]);
    if (samples.empty()) throw std::runtime_error("it holds no sound");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s: %s\n", arguments[2], error.what());
    return 1;
  }
  samples = Trimmed(samples);
  BringToFullScale(samples);

  try {
    Ort::Env environment(ORT_LOGGING_LEVEL_ERROR, "hear");
    environment.DisableTelemetryEvents();
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);
    Ort::Session session(environment, ModelPath(arguments[1]).c_str(), options);

    const std::int64_t shape[] = {1, static_cast<std::int64_t>(samples.size())};
    const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const Ort::Value waveform =
        Ort::Value::CreateTensor<float>(memory, samples.data(), samples.size(), shape, 2);
    const char* const inputs[] = {"waveform"};
    const char* const outputs[] = {"scores"};
    const std::vector<Ort::Value> answers =
        session.Run(Ort::RunOptions{nullptr}, inputs, &waveform, 1, outputs, 1);

    if (answers[0].GetTensorTypeAndShapeInfo().GetElementCount() != kEmotionCount) {
      throw std::runtime_error("it has other emotions: write those of its card.json into hear.cpp");
    }
    const float* scores = answers[0].GetTensorData<float>();
    for (std::size_t i = 0; i < kEmotionCount; ++i) {
      std::printf("%-10s %.4f\n", kEmotions[i], scores[i]);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s: %s\n", arguments[1], error.what());
    return 1;
  }
  return 0;
}
