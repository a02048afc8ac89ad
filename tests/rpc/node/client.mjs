// A client in another language, from our .proto alone: `node client.mjs ADDRESS PROTO IMAGE`. Prints what it got as JSON.
import {createHash} from "node:crypto";
import {readFileSync} from "node:fs";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const [address, proto, file] = process.argv.slice(2);
const image = readFileSync(file);
const definition = loader.loadSync(proto, {keepCase: true, enums: String, longs: Number, includeDirs: [process.env.PROTO_ROOT]});
const {ImageProcessingService} = grpc.loadPackageDefinition(definition).imageflow.v1;
const client = new ImageProcessingService(address, grpc.credentials.createInsecure());
const metadata = {client_id: "node", pipeline_config: {pipeline_id: "live", parameters: {width_px: "20"}}};

const unary = (method, message) =>
  new Promise((resolve, reject) => {
    client[method](message, {deadline: Date.now() + 60_000}, (error, answer) => (error ? reject(error) : resolve(answer)));
  });

const all = (call) =>
  new Promise((resolve, reject) => {
    const found = [];
    call.on("data", (message) => found.push(message));
    call.on("end", () => resolve(found));
    call.on("error", reject);
  });

const single = await unary("ProcessSingleImage", {correlation_id: "one", image_data: image, metadata});

const stream = client.ProcessImageStream({deadline: Date.now() + 60_000});
const results = all(stream);
const size = 1000;
const total = Math.ceil(image.length / size);
for (let index = total - 1; index >= 0; index--) {
  stream.write({
    correlation_id: "chunks",
    image_data: image.subarray(index * size, (index + 1) * size),
    chunk_index: index,
    total_chunks: total,
    is_final_chunk: index === total - 1,
    metadata: index === 0 ? metadata : undefined,
  });
}
stream.end();
const streamed = await results;

const execution_id = single.result.execution_id;
const events = await all(client.WatchExecution({execution_id, after: "0-0"}));
const parts = await all(client.ReadOutput({execution_id, name: "picture"}));
const read = Buffer.concat(parts.map((part) => part.data));
const refused = await unary("GetExecution", {execution_id: "no id"}).catch((error) => error);

console.log(
  JSON.stringify({
    execution_id,
    state: single.result.state,
    streamed: streamed.map((each) => each.state),
    outputs: Object.fromEntries(single.result.outputs.map((each) => [each.name, each.sha256])),
    streamed_outputs: Object.fromEntries(streamed.at(-1).outputs.map((each) => [each.name, each.sha256])),
    read: createHash("sha256").update(read).digest("hex"),
    last_event: events.at(-1).state?.state,
    events: events.length,
    refused: {code: refused.code, has_details: refused.metadata.get("grpc-status-details-bin").length === 1},
  }),
);
client.close();
