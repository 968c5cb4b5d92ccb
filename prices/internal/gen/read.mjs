// Prints the providers that are named as arguments, as JSON by their ids.
import { findProvider } from "./data.mjs";

const found = {};
for (const id of process.argv.slice(2)) {
	found[id] = findProvider({ providerId: id });
}
process.stdout.write(JSON.stringify(found));
