// Uploads a file: upload FILE URL

#include <bitsup.hpp>
#include <iostream>

int main(int argc, char **argv) {
  if (argc != 3) {
    std::cerr << "usage: upload FILE URL\n";
    return 2;
  }
  try {
    auto client = bitsup::client::make().value();
    auto options = bitsup::options().on_progress([](const auto &now) {
      std::cout << now.acknowledged << " of " << now.total << " bytes\n";
      return bitsup::flow::go_on;
    });
    auto upload = client.start(argv[1], argv[2], options).value();
    auto receipt = upload.wait().value();
    std::cout << receipt.url << " has " << receipt.size << " bytes\n";
  } catch (const bitsup::error &error) {
    std::cerr << "upload: " << error.what() << '\n'
              << error.why().advice() << '\n';
    return 1;
  }
}
