<?php
// A call with the key of the first argument, to the path of the second: what an application can read of the error.
require 'vendor/autoload.php';

$client = new GuzzleHttp\Client(['base_uri' => 'http://127.0.0.1:8000/v1/', 'headers' => ['Authorization' => "Bearer $argv[1]"]]);
try {
    $client->post($argv[2], ['json' => ['model' => 'gpt-4o-mini', 'messages' => [['role' => 'user', 'content' => 'Say hello']]]]);
} catch (GuzzleHttp\Exception\BadResponseException $error) {
    $reply = $error->getResponse();
    $document = json_decode($reply->getBody(), true);
    echo get_class($error), ' ', $reply->getStatusCode(), ' ', $document['error']['code'] ?? $document['code'], "\n";
    echo $reply->getHeaderLine('x-tallystick-request-id'), "\n";
}
